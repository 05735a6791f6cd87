"""Functions under decorators of the app, of libraries, and of both."""
