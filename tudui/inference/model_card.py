"""The model card."""
def model_card(*args, **kw) -> str:
    return "x"
