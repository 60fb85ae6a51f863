# The worker without the embedded services: DATABASE_URL, REDIS_URL and an LLM are given by whoever runs it.
FROM python:3.12.14-slim-trixie AS build
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
WORKDIR /src
RUN uv venv -q /opt/medq
ENV VIRTUAL_ENV=/opt/medq
# Dependencies first: this layer is built again only when they change. The lock gives versions and hashes.
COPY pyproject.toml requirements.lock ./
RUN uv pip install --compile-bytecode --no-cache -r pyproject.toml --extra s3 --extra ingest --extra web --extra otel -c requirements.lock
COPY README.md ./
COPY models models
COPY schema schema
COPY worker worker
RUN uv pip install --compile-bytecode --no-cache --no-deps --build-constraints requirements.lock .

FROM python:3.12.14-slim-trixie
# pg_dump and pg_restore for `medq backup` and `medq restore`: not older than the server of docker-compose.yml.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client-17 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home medq && install -d -o medq -g medq /data
COPY --from=build /opt/medq /opt/medq
ENV PATH=/opt/medq/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MEDQ_HOME=/data/home \
    MEDQ_STORAGE_URL=/data/storage
USER medq
WORKDIR /data
VOLUME /data
# No HEALTHCHECK: a probe beside the worker proves nothing about its threads. The supervisor restarts a process that
# dies, and leases return the work of one that hangs.
STOPSIGNAL SIGTERM
ENTRYPOINT ["medq"]
CMD ["worker"]
