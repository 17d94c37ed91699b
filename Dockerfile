# The images of gateway, worker and edge: docker build --target gateway|worker|edge .
# BASE is any Debian with Python 3.11 to 3.13 and its venv module, python:3.13-slim-trixie or another.

ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS base
ENV PYTHONUNBUFFERED=1 \
    PATH=/opt/myeye/bin:$PATH
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin myeye \
    # a named volume laid over these takes their owner
    && install -d -o myeye -g myeye /var/lib/myeye /var/lib/myeye/blobs /var/lib/myeye/scratch

FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# pip installs into the other one, and stays here
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/myeye
WORKDIR /src
COPY pyproject.toml constraints.txt ./
COPY clients/python/pyproject.toml clients/python/
COPY scripts/requirements.py scripts/

FROM build AS gateway-build
RUN python3 scripts/requirements.py gateway tracing > needed.txt \
    && /opt/pip/bin/pip --python /opt/myeye/bin/python install --no-cache-dir --constraint constraints.txt --requirement needed.txt
COPY . .
RUN /opt/pip/bin/pip --python /opt/myeye/bin/python install --no-cache-dir --no-deps ./clients/python .

FROM build AS worker-build
# MediaPipe loads the faces of EGL and GLES and, on a CPU, nothing behind them: the drivers that Debian adds are 200 MB.
WORKDIR /gl
RUN apt-get update -qq && apt-get download -qq libegl1 libgles2 libglvnd0 \
    && for package in *.deb; do dpkg --extract "$package" root; done
WORKDIR /src
# What else the worker may have: EXTRAS=litert
ARG EXTRAS=""
# OpenCV comes as four packages with the same files: the one without windows is enough, and MediaPipe names another.
RUN python3 scripts/requirements.py worker tracing $EXTRAS > needed.txt \
    && /opt/pip/bin/pip --python /opt/myeye/bin/python install --no-cache-dir --constraint constraints.txt --requirement needed.txt \
    && opencv=$(sed -n 's/^opencv-python==//p' constraints.txt) \
    && /opt/pip/bin/pip --python /opt/myeye/bin/python uninstall --quiet --yes opencv-python opencv-contrib-python \
    && /opt/pip/bin/pip --python /opt/myeye/bin/python install --no-cache-dir --no-deps "opencv-python-headless==$opencv"
COPY . .
RUN /opt/pip/bin/pip --python /opt/myeye/bin/python install --no-cache-dir --no-deps ./clients/python .
# Its hash decides, wherever it comes from.
RUN PYTHONPATH=$(/opt/myeye/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    /opt/pip/bin/python -m worker.models --models /opt/myeye/models

FROM build AS edge-build
RUN python3 scripts/requirements.py edge > needed.txt \
    && /opt/pip/bin/pip --python /opt/myeye/bin/python install --no-cache-dir --constraint constraints.txt --requirement needed.txt
COPY . .
RUN /opt/pip/bin/pip --python /opt/myeye/bin/python install --no-cache-dir --no-deps ./clients/python .

FROM base AS gateway
COPY --from=gateway-build /opt/myeye /opt/myeye
ENV MYEYE_LISTEN=0.0.0.0:50051 \
    MYEYE_HEALTH=/tmp/health
USER 10001:10001
WORKDIR /var/lib/myeye
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "dispatch.probe"]
ENTRYPOINT ["python", "-m", "gateway"]

FROM base AS worker
COPY --from=worker-build /gl/root/usr/lib /usr/lib
COPY --from=worker-build /opt/myeye /opt/myeye
RUN ldconfig && HOME=/tmp python -c "import cv2, worker.detector" && rm -rf /tmp/* /tmp/.[!.]*
ENV HOME=/tmp \
    TMPDIR=/var/lib/myeye/scratch \
    MYEYE_HEALTH=/tmp/health \
    MYEYE_MODELS=/opt/myeye/models
USER 10001:10001
WORKDIR /var/lib/myeye
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "dispatch.probe"]
ENTRYPOINT ["python", "-m", "worker"]

FROM base AS edge
COPY --from=edge-build /opt/myeye /opt/myeye
ENV MYEYE_EDGE_LISTEN=0.0.0.0:8080 \
    MYEYE_GATEWAYS=gateway:50051
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "edge.probe"]
ENTRYPOINT ["python", "-m", "edge"]
