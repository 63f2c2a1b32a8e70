"""The same in FastAPI, with pydantic models: each path once as `async def`, once for its pool of threads."""

import os
from typing import Any, Literal

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()

folder = os.environ["ESTIMATORS"]
models = {name: joblib.load(f"{folder}/{name}.joblib") for name in ("numbers", "svm", "penguins")}

Name = Literal["numbers", "svm"]


class Row(BaseModel):
    features: list[float]


class Rows(BaseModel):
    instances: list[list[float]]


class Penguin(BaseModel):
    island: str
    bill_length_mm: float | None
    bill_depth_mm: float | None
    flipper_length_mm: float | None
    body_mass_g: float | None
    sex: str | None


class Answer(BaseModel):
    prediction: list[int]


class Species(BaseModel):
    prediction: list[str]


def answer(name: Name, rows: Any) -> Answer:
    return Answer(prediction=models[name].predict(rows).tolist())


def species(penguin: Penguin) -> Species:
    frame = pd.DataFrame([penguin.model_dump()])
    return Species(prediction=models["penguins"].predict(frame).tolist())


@app.post("/async/row/{name}")
async def predict_row(name: Name, body: Row) -> Answer:
    return answer(name, [body.features])


@app.post("/async/rows/{name}")
async def predict_rows(name: Name, body: Rows) -> Answer:
    return answer(name, body.instances)


@app.post("/async/record/penguins")
async def predict_penguin(body: Penguin) -> Species:
    return species(body)


@app.post("/threads/row/{name}")
def predict_row_in_a_thread(name: Name, body: Row) -> Answer:
    return answer(name, [body.features])


@app.post("/threads/rows/{name}")
def predict_rows_in_a_thread(name: Name, body: Rows) -> Answer:
    return answer(name, body.instances)


@app.post("/threads/record/penguins")
def predict_penguin_in_a_thread(body: Penguin) -> Species:
    return species(body)
