"""`manage.py worker` with the committed sample of MNIST in its place: python -m tests.sample_worker

The processes that it starts for its jobs import this module too.
"""

import os

from django.core.management import execute_from_command_line

from tests import samples
from training import dataset

os.environ["DJANGO_SETTINGS_MODULE"] = "mnistsite.settings"
dataset.load_mnist = lambda folder: samples.mnist()
if __name__ == "__main__":
    execute_from_command_line(["manage.py", "worker"])
