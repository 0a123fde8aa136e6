# One image for all roles: `serve` (the default), `worker`, `upgrade`, and every other command of `adsum`.
#
#   docker build -t adsum .
#
# Packages are those of requirements/, with their hashes. A container writes temporary
# files to /tmp alone.

ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS packages
COPY requirements/runtime.txt requirements/opentelemetry.txt /requirements/
RUN python -m venv --without-pip /opt/adsum \
    && pip --python /opt/adsum/bin/python install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        -r /requirements/runtime.txt -r /requirements/opentelemetry.txt
COPY src /opt/adsum/src
# The root file system is read-only: what is not compiled now would be compiled at every start.
RUN echo /opt/adsum/src > "$(/opt/adsum/bin/python -c 'import site; print(site.getsitepackages()[0])')/adsum.pth" \
    && /opt/adsum/bin/python -m compileall -q -j 0 /opt/adsum

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Adsum" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 adsum \
    && useradd --system --uid 10001 --gid adsum --no-create-home --home-dir /nonexistent adsum
COPY --from=packages /opt/adsum /opt/adsum
COPY LICENSE NOTICE /opt/adsum/
ENV PATH=/opt/adsum/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ADSUM_HOST=0.0.0.0 \
    ADSUM_PORT=8000 \
    ADSUM_LOG_FORMAT=json
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
# Of `serve`. The other roles switch it off.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "adsum"]
CMD ["serve"]
