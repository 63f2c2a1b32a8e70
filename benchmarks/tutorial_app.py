"""The Flask app of the usual tutorial: load pickles when the module is imported, predict, jsonify."""

import os

import joblib
import pandas as pd
from flask import Flask, Response, jsonify, request

app = Flask(__name__)

folder = os.environ["ESTIMATORS"]
models = {name: joblib.load(f"{folder}/{name}.joblib") for name in ("numbers", "svm", "penguins")}


@app.route("/predict/<model>", methods=["POST"])
def predict(model: str) -> Response:
    data = request.get_json()
    if "instances" in data:
        rows = data["instances"]
    elif "features" in data:
        rows = [data["features"]]
    else:
        rows = pd.DataFrame([data])
    prediction = models[model].predict(rows)
    return jsonify({"prediction": prediction.tolist()})
