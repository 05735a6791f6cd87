import os

SECRET_KEY = "of the test"
ROOT_URLCONF = "app.web"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["app"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["CASE_DATABASE"],
        "OPTIONS": {"timeout": 1},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
