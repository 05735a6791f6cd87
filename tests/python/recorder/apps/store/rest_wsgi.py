from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.configure(
    SECRET_KEY="a test's",
    DEBUG=True,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="store.by_rest",
    MIDDLEWARE=["store.django_middleware.Log"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
app = get_wsgi_application()
