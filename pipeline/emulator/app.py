"""The emulator's web application: its routes and handlers."""

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from pipeline.emulator.admin import AdminGuard, AdminHandlers
from pipeline.emulator.create_fields import InvalidField
from pipeline.emulator.create_handler import CreateHandler
from pipeline.emulator.fault_injection import FaultInjector
from pipeline.emulator.faults import Faults
from pipeline.emulator.handlers import Handlers
from pipeline.emulator.request_checks import BodyLimit, on_refused
from pipeline.emulator.workflow_store import WorkflowStore

# It warns of broken forms, on stderr where no logging is set up; the sender gets a response that says so.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())


def create_app(store: WorkflowStore, faults: Faults, host: str) -> Starlette:
    """The application over `store`, struck by `faults`, for a server that listens on `host`."""
    handlers = Handlers(store)
    handler = FaultInjector(faults, store).handler
    create = handler(CreateHandler(store).endpoint)
    workflow = {
        "GET": handler(handlers.get),
        "PUT": handler(handlers.put),
        "DELETE": handler(handlers.delete),
    }
    return Starlette(
        routes=[
            Route("/health", handler(handlers.health)),
            Route("/image", handler(handlers.upload), methods=["POST"]),
            Route("/workflow/error-log", handler(handlers.error_log), methods=["POST"]),
            Route("/v2/workflow/templates", handler(handlers.templates)),
            *(Route(f"{version}/workflow", create, methods=["POST"]) for version in ("", "/v2")),
            *(
                Route(f"{version}/workflow/{{id}}", endpoint, methods=[method])
                for version in ("", "/v2")
                for method, endpoint in workflow.items()
            ),
            Route("/media/{id}/{name}", handler(handlers.media)),
            Mount(
                "/_emulator",
                routes=AdminHandlers(store, faults).routes,
                middleware=[Middleware(AdminGuard, key=store.settings.key, host=host)],
            ),
        ],
        middleware=[Middleware(BodyLimit)],
        exception_handlers={HTTPException: on_refused, InvalidField: on_refused},
    )
