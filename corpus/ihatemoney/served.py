"""The app with settings for this corpus, as gunicorn serves it."""

import os

from ihatemoney.run import create_app


class Settings:
    SQLALCHEMY_DATABASE_URI = os.environ["DATABASE_URL"]
    SECRET_KEY = "corpus"
    SESSION_COOKIE_SECURE = False
    MAIL_SUPPRESS_SEND = True


application = create_app(Settings)
