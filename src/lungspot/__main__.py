"""``python -m lungspot`` is the ``lungspot`` command."""

from lungspot.cli import main

if __name__ == "__main__":
    main()
