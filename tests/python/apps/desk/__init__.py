"""A FastAPI app whose services are classes of one file."""
