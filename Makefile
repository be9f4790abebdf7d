# Two commands set everything up from a bare checkout: `make demo` and `make test`. The rest assumes nothing either.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Modules are compiled once, also where the environment forbids it, as containers do: hundreds of processes load them.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test ready checked counted others check web site coverage docs drill label-studio viewers fuzz trees weights study bench sbom release clean system
.NOTPARALLEL:

demo: .venv/base
	$(BIN)/lungspot demo --overwrite

# `make --keep-going test` goes on behind a fault, and still fails.
test: ready checked others

# Debian's packages and the environment are installed side by side.
ready:
	$(MAKE) system & packages=$$!; $(MAKE) .venv/dev; status=$$?; wait $$packages || status=1; exit $$status

# What the browser page needs is fetched, and sources are checked, while the first tests run: they leave a processor waiting.
checked:
	$(BIN)/python tools/vendor_web.py & web=$$!; mkdir -p build; $(MAKE) check > build/check.log 2>&1 & checks=$$!; \
	$(MAKE) counted; status=$$?; wait $$checks || status=1; cat build/check.log; \
	wait $$web || test "$(CI)" != true || status=1; exit $$status

# The two rooms whose coverage has a floor go first and alone: counting makes Python slow, and their thousands of forks
# are quick from a process that holds no torch. Arrays are small in tests, and threads of OpenMP and OpenBLAS would burn a
# fifth of what training takes while they wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder -n
COUNTED := tests/findings tests/images

counted: .venv/dev system
	$(PYTEST) 3 --cov --cov-report= $(COUNTED)
	$(BIN)/python tools/coverage_floor.py

# Of the others many wait for a browser, a server or a disk: four at a time keep two processors busy.
WORKERS ?= 4

others: .venv/dev system
	$(PYTEST) $(WORKERS) $(COUNTED:%=--ignore=%)

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/licences.py
	$(BIN)/python tools/links.py
	$(BIN)/typos
	! git log --no-merges -n 100 --format=%s | grep -E '^.{73}'  # a commit's subject has at most 72 characters

# The browser page's runtime, into the package: what npm packs (39 MB), each file held to its hash (docs/adr/0027).
web: .venv/dev
	$(BIN)/python tools/vendor_web.py

# All of docs/ as a site in build/site, a folder a version, searchable, with no script or font from elsewhere; a link that leads
# nowhere is an error. After `make demo web` it has the browser page with the demonstration's film, too.
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' src/lungspot/__init__.py)
site: build/site-env
	rm -rf build/site/$(VERSION)
	build/site-env/bin/sphinx-build -q -E -W --keep-going -c tools/site docs build/site/$(VERSION)
	$(PYTHON) tools/site/finish.py build/site $(VERSION) $(BIN)
	@echo "The site: build/site/index.html"

build/site-env: pyproject.toml
	$(PYTHON) -m venv build/site-env
	build/site-env/bin/python -m pip install -q --upgrade pip
	build/site-env/bin/python -m pip install -q --group docs
	touch $@

# Of every room, which takes half as long again; `make test` counts the two rooms that have a floor.
coverage: .venv/dev system
	$(PYTEST) 2 --cov=lungspot --cov-report=term

LABEL_STUDIO ?= build/label-studio-env/bin/label-studio

fuzz: .venv/dev
	LUNGSPOT_FUZZ=20000 $(BIN)/python -m pytest -n 2 -m fuzz tests/images tests/formats

drill: .venv/dev $(LABEL_STUDIO)
	@$(if $(LABEL_STUDIO),,echo "Skipped: a real Label Studio (LABEL_STUDIO is empty)")
	LUNGSPOT_LABEL_STUDIO=$(abspath $(LABEL_STUDIO)) LUNGSPOT_KILLS=50 LUNGSPOT_REQUESTS=5000 LUNGSPOT_FILMS=20 LUNGSPOT_PAGE_FILMS=200 LUNGSPOT_ITEMS=500 LUNGSPOT_ITEM_KILLS=20 $(BIN)/python -m pytest -m "drill or long" tests/batch tests/queue tests/serve tests/node tests/web tests/report tests/test_pipeline.py

# A real Label Studio in an environment of its own: a gigabyte, for it pins what others need newer. Its drill alone, with
# what each step took; `make drill LABEL_STUDIO=` leaves it out, and says so.
STUDIO := build/label-studio-env
label-studio: .venv/dev $(LABEL_STUDIO)
	LUNGSPOT_LABEL_STUDIO=$(abspath $(LABEL_STUDIO)) $(BIN)/python -m pytest -n 0 -m drill -o junit_family=xunit1 \
		--junitxml=build/label-studio.xml tests/serve/test_label_studio_live.py
	@cat $(STUDIO)/cost.txt || true
	@grep -o 'property name="[^"]*" value="[^"]*"' build/label-studio.xml

$(STUDIO)/bin/label-studio:
	rm -rf $(STUDIO)
	$(PYTHON) -m venv $(STUDIO)
	began=$$(date +%s); $(STUDIO)/bin/python -m pip install -q label-studio==1.23.2 && \
	echo "Label Studio by pip: $$(($$(date +%s) - began)) s, $$(du -sm $(STUDIO) | cut -f 1) MB" | tee $(STUDIO)/cost.txt

trees: .venv/dev
	LUNGSPOT_TREES=10000 $(BIN)/python -m pytest tests/cli/test_detect_trees.py

# What OHIF, Cornerstone and dwv show of our DICOM results; wants npm, Orthanc and Chromium, and half an
# hour; ends with 1 where SR or SC is not shown. `make drill` runs it too.
viewers: .venv/dev system
	$(BIN)/python benchmarks/viewers/run.py runs/viewers

docs: .venv/dev
	$(BIN)/python tools/docs.py
	$(BIN)/python tools/model_card.py

# A detector of the shape that ships, in one run (tools/recipe.toml), from the films of DATA: four hours on two free cores.
DATA ?= ../shared/data
weights: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/torchrun --standalone --nproc-per-node 2 -m lungspot train -o runs/detector --data $(DATA) tools/recipe.toml
	$(BIN)/lungspot train-gate -o runs/gate.npz --data $(DATA) --overwrite
	$(BIN)/lungspot export runs/detector -o src/lungspot/weights/lungspot.onnx --data $(DATA) --gate runs/gate.npz --notes tools/model_notes.txt --pin --overwrite

# Boxes against heat maps (docs/explanation/boxes-vs-heatmaps.md): the shipped detector's own, or those of CLASSIFIER, a run that saw no box.
study: .venv/dev
	$(BIN)/python tools/study.py $(if $(CLASSIFIER),--classifier $(CLASSIFIER)) --data $(DATA) -o runs/study --overwrite --write

# What needs neither an argument, nor a program of others, nor root; the others say at their top what they want.
BENCHMARKS := accuracy average_precision batch datasets detect evaluate mirrored node nodules outside_lungs read screening \
	screening_day serve shortcuts simulate_archive ups viewer web
bench: .venv/dev
	for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

# The bill of what `pip install .` brings, from an environment that holds nothing else.
sbom: .venv/dev
	rm -rf build/sbom
	$(PYTHON) -m venv --without-pip build/sbom
	$(BIN)/python -m pip --python build/sbom/bin/python install -q .
	$(BIN)/python tools/bill.py build/sbom/bin/python sbom.json
	@echo "Bill of materials: sbom.json"

# Wheel and sdist into dist/, the same bytes when built again, tried alone and with each extra on each Python that is here.
release: .venv/dev web
	$(BIN)/python tools/release.py

# Debian packages that tests compare with; elsewhere those tests skip and name the package.
system:
	@sh tools/system_packages.sh

.venv/pip:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --upgrade pip
	touch $@

.venv/base: .venv/pip pyproject.toml
	$(BIN)/python -m pip install -q -e . pydicom-data
	touch $@

# torch is pinned to the build that needs no GPU libraries; a later `pip install -e .[dev]` keeps it. Nine thousand
# modules are compiled while pip, which uses one processor, installs the others, and the rest on both; some are templates,
# and no Python. UNUSED are not: nine thousand more that no test imports, or hardly one of them.
LARGE := torch/(testing|ao|_export)|sympy/physics|fhir/resources|_inductor|onnxruntime/(transformers|quantization|tools)
LARGE := $(LARGE)|onnx/(backend|reference)|wcwidth|huggingface_hub/(cli|inference)|numpy/distutils|playwright/async_api
COMPILE = $(BIN)/python -m compileall -qq -x '$(UNUSED)' .venv/lib src
UNUSED := /(tests|networkx|mypy|mypyc|fontTools|setuptools|numba|llvmlite|cvat_sdk|pip|pygments/lexers|$(LARGE))/

.venv/dev: .venv/pip pyproject.toml
	$(BIN)/python -m pip install -q --no-compile torch==2.13.0 -e '.[dev]' & pip=$$!; \
	while kill -0 $$pip 2>/dev/null; do sleep 1; $(COMPILE) || true; done; wait $$pip
	$(COMPILE) -j 2 || true
	touch $@ .venv/base

clean:
	rm -rf .venv dist build demo .mypy_cache .ruff_cache .pytest_cache .coverage*
