"""`python -m pipeline`: the command line, if its program is not on the path."""

from pipeline.cli.start import main

if __name__ == "__main__":
    main()
