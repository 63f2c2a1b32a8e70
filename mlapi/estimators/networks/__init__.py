"""Networks for pictures: trained with PyTorch, kept as ONNX, answered by onnxruntime.

Nothing here knows of scikit-learn or of data sets. `plan`, `schedule`, `runtime` and what examines a
file before it runs (`examination`, `onnx_graph`, `operators`) never import PyTorch;
`mlapi.estimators.algorithms.cnn` imports the rest where a network is trained.
"""
