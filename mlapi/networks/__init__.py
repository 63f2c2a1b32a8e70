"""Networks for pictures: trained with PyTorch, kept as ONNX, answered by onnxruntime.

Nothing here knows of scikit-learn or of data sets. `plan`, `schedule` and `runtime` never import PyTorch;
`mlapi.algorithms.cnn`, which alone calls this package, imports the rest where a network is trained.
"""
