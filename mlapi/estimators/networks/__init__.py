"""Networks that classify images: trained with PyTorch, stored as ONNX, run by onnxruntime.

Nothing here knows of scikit-learn or of data sets. `plan`, `schedule`, `runtime` and the modules that examine
a file before it runs (`examination`, `onnx_graph`, `operators`) never import PyTorch;
`mlapi.estimators.algorithms.cnn` imports the others where a network is trained.
"""
