"""The floor: a Flask view that reads the body and answers with the same bytes each time."""

from flask import Flask, Response, request

app = Flask(__name__)


@app.route("/predict/<model>", methods=["POST"])
def predict(model: str) -> Response:
    request.get_data()
    return Response(b'{"prediction":[0]}', mimetype="application/json")
