"""onnxruntime's sessions, as servers need them. Whoever asks for one has examined the file."""

from typing import Any


def session_of(content: bytes) -> Any:
    """Return a session of one thread for an ONNX file; the first one imports onnxruntime.

    Raises:
        Exception: One of onnxruntime's own: it cannot run the file.
    """
    import onnxruntime  # noqa: PLC0415 - 0.1 s and 30 MB, where a network is asked and nowhere else

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Four threads that ask for 1 to 256 images each take 40 MB, however often they do. Without onnxruntime's
    # arena malloc has one for each thread (130 MB, and growing), and patterns are kept for each count of
    # images.
    options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors are raised; warnings about its own optimizations help nobody
    # What was examined is ONNX. By the same bytes onnxruntime would recognize its own format, which was not.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
