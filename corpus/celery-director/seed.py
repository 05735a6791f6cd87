"""Fills director with 60 finished workflows of four tasks each. Run with the settings of the app."""

import uuid

from director import create_app
from director.models import StatusType
from director.models.tasks import Task
from director.models.workflows import Workflow

with create_app().app_context():
    for number in range(60):
        workflow = Workflow(project="shop", name="ORDER", payload={"count": number}, comment=None)
        workflow.status = StatusType.success
        workflow.save()
        for key in ["EXTRACT", "CHECK_STOCK", "CHECK_CREDIT", "LOAD"]:
            task = Task(id=str(uuid.uuid4()), key=key, workflow_id=workflow.id, status=StatusType.success)
            task.save()
