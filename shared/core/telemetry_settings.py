"""Settings of what operators see."""

from typing import Annotated, Literal

from pydantic import Field

OtlpEndpoint = Annotated[
    str | None,
    Field(description="http(s)://HOST:PORT of an OpenTelemetry collector (OTLP/HTTP); without it nothing is sent."),
]
TraceRatio = Annotated[
    float, Field(ge=0, le=1, description="Share of requests whose spans are sent, where there is a collector.")
]
MetricsPort = Annotated[
    int | None, Field(ge=0, le=65535, description="Port of `/metrics` for Prometheus; without it there is none.")
]
MetricsHost = Annotated[str, Field(description="Address `/metrics` listens on; never a public one.")]
SlowCall = Annotated[float, Field(gt=0, description="Calls that took longer are logged as warnings.")]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Of the logs on stderr.")]
