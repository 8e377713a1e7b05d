# Crowdwatch in one image; the command says which role runs. Targets: gpu, and cpu, which is the default.
#   docker build --target cpu --tag crowdwatch:cpu .
#   docker build --target gpu --tag crowdwatch:gpu .
# Third-party packages are pinned with their hashes by requirements.txt and deploy/requirements-gpu.txt.

FROM python:3.12-slim-bookworm AS base-cpu

FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04 AS base-gpu
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3.12 python3.12-venv tzdata \
 && rm -rf /var/lib/apt/lists/*

FROM base-cpu AS wheel
COPY . /src
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --wheel-dir /wheel /src

FROM base-cpu AS packages-cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3.12 -m venv /opt/venv
COPY requirements.txt /tmp/
RUN /opt/venv/bin/pip install --require-hashes --requirement /tmp/requirements.txt
COPY --from=wheel /wheel /wheel
RUN /opt/venv/bin/pip install --no-deps /wheel/*.whl

FROM base-gpu AS packages-gpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3.12 -m venv /opt/venv
COPY requirements.txt deploy/requirements-gpu.txt /tmp/
# onnxruntime and onnxruntime-gpu bring the same files, so one has to go before the other comes
RUN /opt/venv/bin/pip install --require-hashes --requirement /tmp/requirements.txt \
 && /opt/venv/bin/pip uninstall --yes onnxruntime \
 && /opt/venv/bin/pip install --require-hashes --no-deps --requirement /tmp/requirements-gpu.txt
COPY --from=wheel /wheel /wheel
RUN /opt/venv/bin/pip install --no-deps /wheel/*.whl

FROM base-gpu AS gpu
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp crowdwatch \
 && install --directory --owner=crowdwatch --group=crowdwatch /var/cache/crowdwatch /var/tmp/crowdwatch
COPY --from=packages-gpu /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
    CROWDWATCH_CACHE_DIR=/var/cache/crowdwatch CROWDWATCH_HEALTH_HOST=0.0.0.0 CROWDWATCH_HEALTH_PORT=9100
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000 9100
CMD ["python", "-m", "workers", "worker"]

FROM base-cpu AS cpu
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp crowdwatch \
 && install --directory --owner=crowdwatch --group=crowdwatch /var/cache/crowdwatch /var/tmp/crowdwatch
COPY --from=packages-cpu /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
    CROWDWATCH_CACHE_DIR=/var/cache/crowdwatch CROWDWATCH_HEALTH_HOST=0.0.0.0 CROWDWATCH_HEALTH_PORT=9100
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000 9100
CMD ["python", "-m", "workers", "worker"]
