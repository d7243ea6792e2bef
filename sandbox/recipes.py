"""What each image holds: `core`, the standard library and pytest; `science`, what data science imports;
`math`, what compares mathematical answers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from sandbox.docker_backend import GUEST_DIR, MEMORY_MB

ImageName = Literal["core", "science", "math"]

REGISTRY_BASE = "python:3.12-slim"
_MATPLOTLIB = f"{GUEST_DIR}/matplotlib"

_COMMON = f"""\
FROM {{base}}
COPY guest {GUEST_DIR}/guest
RUN python3 -m compileall -q --invalidation-mode unchecked-hash {GUEST_DIR}
"""
# One thread for linear algebra: threads do not survive the fork, and a container has one core. The
# font list is made once here; without it every first plot would search the file system for fonts.
_SCIENCE = f"""\
ENV OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MATPLOTLIBRC={_MATPLOTLIB}/matplotlibrc
RUN mkdir -p {_MATPLOTLIB} && echo "backend: Agg" > {_MATPLOTLIB}/matplotlibrc \
 && MPLCONFIGDIR={_MATPLOTLIB} python3 -c "import matplotlib.font_manager" && chmod -R a+rX {_MATPLOTLIB}
"""
# Imported by the zygote, so that each program finds it loaded. matplotlib makes directories in the
# home of whoever imports it; the zygote must leave none.
_WARM_SCIENCE = f"""\
import matplotlib
kept = matplotlib.get_configdir, matplotlib.get_cachedir
matplotlib.get_configdir = matplotlib.get_cachedir = lambda: {_MATPLOTLIB!r}
import matplotlib.pyplot
import numpy
import pandas
import scipy
matplotlib.get_configdir, matplotlib.get_cachedir = kept
"""

# What math-verify's first comparison would import and build: parsers, and sympy's tables.
_WARM_MATH = """\
from math_verify import parse, verify
verify(parse("$\\\\frac{1}{2}$"), parse("0.5"))
"""

# `python3` and not `python3-minimal`: programs import all of the standard library.
_CORE_DEBIAN = ("python3", "libpython3-stdlib", "python3-pytest")
_CORE_WHEELS = ("pytest==9.2.0",)
_SCIENCE_DEBIAN = """
    numpy pandas matplotlib scipy sklearn skimage seaborn statsmodels sympy networkx nltk wordcloud
    requests requests-mock responses bs4 lxml html5lib yaml openpyxl xlrd xlwt xlsxwriter pil docx
    regex chardet dateutil tz psutil flask flask-login flask-mail flask-restful flaskext.wtf wtforms
    django werkzeug jinja2 cryptography pycryptodome rsa simplejson xmltodict prettytable texttable
    natsort unidecode levenshtein pyquery geopy shapely folium mechanize pyfakefs joblib tqdm
    holidays httplib2 dnspython paramiko tabulate termcolor mock ntplib soundfile
"""
_SCIENCE_WHEELS = """
    beautifulsoup4==4.15.0 chardet==7.7.0 cryptography==50.0.2 django==5.2.19 faker==40.54.0 flask==3.1.3
    flask-login==0.6.3 flask-mail==0.10.0 flask-restful==0.3.10 flask-wtf==1.3.0 folium==0.20.0
    gensim==4.4.0 geopy==2.5.0 holidays==0.108 joblib==1.6.0 lxml==6.1.3 matplotlib==3.11.2
    mechanize==0.4.10 natsort==8.4.0 networkx==3.6.1 nltk==3.10.4 numpy==2.4.6
    opencv-python-headless==5.0.0.93 openpyxl==3.1.5 pandas==3.1.1 pillow==13.0.0 prettytable==3.18.0
    psutil==7.2.2 pycryptodome==4.4.0 pyfakefs==6.3.2 pyquery==2.1.0 python-dateutil==2.9.0.post0
    python-docx==1.2.0 python-levenshtein==0.27.5 pytz==2026.6 pyyaml==6.0.3 regex==2026.11.15
    requests==2.34.2 rsa==4.9.1 scikit-image==0.26.0 scikit-learn==1.9.1 scipy==1.17.1 seaborn==0.13.2
    shapely==2.2.0 statsmodels==0.15.0 sympy==1.14.0 textblob==0.20.1 texttable==1.7.2 tqdm==4.70.1
    unidecode==1.4.0 werkzeug==3.1.9 wordcloud==1.9.6 xlrd==2.0.2 xlsxwriter==3.3.1 xlwt==1.3.0
    xmltodict==1.0.4
"""
# Debian has no math-verify: these come from PyPI through this machine's pip, pure Python all of them.
_MATH_WHEELS = (
    "antlr4-python3-runtime==4.13.2",
    "latex2sympy2_extended==1.11.0",
    "math-verify==0.9.0",
    "mpmath==1.3.0",
    "sympy==1.14.0",
)
# A compiler comes with scipy and all of TeX's fonts with wordcloud, which wants one of them.
_SLIM_SCIENCE = (
    "find $1/usr/share/texlive -type f ! -name DroidSansMono.ttf -delete; "
    "rm -rf $1/usr/include $1/usr/lib/gcc; find $1/usr/lib -name '*.a' -delete"
)


@dataclass(frozen=True)
class Recipe:
    """How one image is made, and what its containers need.

    The base (minutes) is kept apart from the guest sources (seconds): an edit of ours rebuilds only
    the thin top.
    """

    name: ImageName
    debian: tuple[str, ...]  # packages of a base made without a registry
    wheels: tuple[str, ...]  # what pip adds to a base from a registry
    dockerfile: str
    imports: tuple[str, ...] = ()  # what programs count on finding; where there are no images, too
    warm: str = ""  # a guest module, imported before any request
    slim: str = ""  # a shell line that removes what the packages bring and nothing here uses, from $1
    memory_mb: int = MEMORY_MB  # of a container
    on: ImageName | None = None  # whose base this one's is made on, with `added`
    added: tuple[str, ...] = ()  # pure-Python wheels that this machine's pip fetches

    def base_digest(self, suite: str) -> str:
        """The content address of the base."""
        parts = (REGISTRY_BASE, suite, *self.debian, self.slim, *self.wheels, *self.added)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]

    def modules(self) -> dict[str, str]:
        """Guest modules that a sandbox of this image preloads."""
        return {f"warm_{self.name}": self.warm} if self.warm else {}


RECIPES: dict[ImageName, Recipe] = {
    "core": Recipe("core", _CORE_DEBIAN, _CORE_WHEELS, _COMMON),
    "science": Recipe(
        "science",
        (*_CORE_DEBIAN, *(f"python3-{name}" for name in _SCIENCE_DEBIAN.split())),
        (*_CORE_WHEELS, *_SCIENCE_WHEELS.split()),
        _COMMON + _SCIENCE,
        imports=("numpy", "pandas", "matplotlib", "scipy"),
        warm=_WARM_SCIENCE,
        slim=_SLIM_SCIENCE,
        memory_mb=1536,
    ),
    "math": Recipe(
        "math",
        _CORE_DEBIAN,
        _CORE_WHEELS,
        _COMMON,
        imports=("math_verify",),
        warm=_WARM_MATH,
        on="core",
        added=_MATH_WHEELS,
    ),
}
