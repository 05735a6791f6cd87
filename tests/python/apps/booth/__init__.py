"""A Flask app under an ASGI server."""
