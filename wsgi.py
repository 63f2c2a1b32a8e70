"""The WSGI entry point: `gunicorn -c config/gunicorn.conf.py wsgi:app`."""

from mlapi.server.app import create_app
from mlapi.settings import process_settings

app = create_app(process_settings())
