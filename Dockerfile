# Two images. `web` is Django with the model: the web server, the worker and the migrations are three
# commands of it. `ui` is the drawing page, without Django and without torch.

# @sha256:…, from deploy/digests; without it, what the tag names.
ARG PYTHON_DIGEST=
FROM python:3.11-slim-bookworm${PYTHON_DIGEST} AS python
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp app
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH
WORKDIR /app


# Only the dependency groups, so that a change of some tool's settings installs nothing anew.
FROM python AS groups
COPY pyproject.toml ./
RUN sed -n '/^\[dependency-groups\]/,/^\[tool/p' pyproject.toml > groups.toml


FROM python AS build
COPY constraints.txt ./
# The pinned pip, which is not shipped: older ones take no hashes from constraints.
RUN --mount=type=cache,target=/root/.cache/pip \
    sed -n '/^pip==/,/[^\\]$/p' constraints.txt | \
        pip install --root-user-action=ignore --require-hashes -r /dev/stdin \
    && python -m venv --without-pip /opt/venv


FROM build AS build-web
# Where pip finds torch without gigabytes of CUDA; empty for PyPI only.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY --from=groups /app/groups.toml pyproject.toml
# The only two without hashes; their own needs come with the rest. From one index alone: of two, either could
# offer the other's names.
RUN --mount=type=cache,target=/root/.cache/pip \
    { [ -n "$TORCH_INDEX" ] && \
        pip --python /opt/venv install --retries 1 --no-deps --index-url "$TORCH_INDEX" --group torch; } || \
    pip --python /opt/venv install --no-deps --group torch
# The files that torch brings for building and testing C++ extensions are a fifth of its size.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv install --require-hashes -c constraints.txt --group web \
    && cd /opt/venv/lib/python3.11/site-packages/torch \
    && rm -rf include test bin/test_* bin/protoc*
# A fifth of the rest never runs: the packages' own tests, translations (USE_I18N is off), Arrow's clients for its
# servers and Amazon's, and most bytecode of the largest, which is made anew for the modules that serving and
# training import.
WORKDIR /opt/venv/lib/python3.11/site-packages
RUN find . -type d -name tests -prune -exec rm -r {} + \
    && rm -r pyarrow/include pyarrow/*flight* pyarrow/*s3* \
    && find . -name '*.[mp]o' -delete \
    && find networkx pandas scipy sklearn sympy torch -name '*.pyc' -delete \
    && PYTHONDONTWRITEBYTECODE= python -c 'import cleanlab.filter, safetensors.torch, scipy.ndimage, scipy.stats, \
        sklearn.linear_model, sklearn.model_selection, torch._dynamo, torch.optim.swa_utils'
# The names of torch's inner functions, which only a debugger reads, are another tenth.
RUN apt-get -qq update && apt-get -qq install --no-install-recommends binutils > /dev/null \
    && strip --strip-unneeded torch/lib/libtorch_cpu.so torch/lib/libtorch_python.so


FROM build AS build-ui
COPY --from=groups /app/groups.toml pyproject.toml
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv install --require-hashes -c constraints.txt --group ui
WORKDIR /opt/venv/lib/python3.11/site-packages
RUN find . -type d -name tests -prune -exec rm -r {} + \
    && rm -r pyarrow/include pyarrow/*flight* pyarrow/*s3*


# The base image ships the standard library uncompiled; on a read-only root every start, of a health check
# too, would compile it again.
FROM python AS compiled
RUN python -m compileall -q -x 'site-packages|/test|idlelib|lib2to3' /usr/local/lib/python3.11


FROM compiled AS web
COPY --from=build-web /opt/venv /opt/venv
ENV PRODUCTION=true WEB_HOST=0.0.0.0 WEB_PORT=8000 HOME=/tmp \
    VAR_DIR=/var/lib/mnistsite STATIC_ROOT=/app/static
RUN install -d -o app -g app "$VAR_DIR"
COPY manage.py gunicorn.conf.py ./
COPY classifier classifier
COPY training training
COPY mnistsite mnistsite
COPY predictions predictions
RUN python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q .
USER app
EXPOSE 8000
STOPSIGNAL SIGTERM
# Ready soon after the start, or two minutes of patience: a database that restarts or a machine that is
# very busy must not take its web servers with it.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --start-interval=2s --retries=12 \
    CMD ["python", "-IS", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=9)"]
CMD ["gunicorn"]


FROM compiled AS ui
COPY --from=build-ui /opt/venv /opt/venv
ENV HOME=/tmp PYTHONPATH=/app
COPY .streamlit .streamlit
COPY streamlit_ui streamlit_ui
RUN python -m compileall -q .
USER app
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --start-interval=2s --retries=12 \
    CMD ["python", "-IS", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=9)"]
CMD ["streamlit", "run", "streamlit_ui/app.py", "--server.address=0.0.0.0", "--server.port=8501"]
