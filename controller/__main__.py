"""The door of the program: `trimtab` and `python -m controller` both come through here.

Refuses a mixed installation before anything of it is imported, and imports the command line late, so that the refusal
itself depends on nothing that could be foreign.
"""

from controller.guard import MixedInstallation, refuse_mixed_installation

EXIT_FAILED = 1


def main() -> None:
    """Run the command line, or end with exit code 1 and one sentence when the four packages are not from one place."""
    try:
        refuse_mixed_installation()
    except MixedInstallation as error:
        raise SystemExit(f"trimtab: {error}") from error

    from controller.cli import main as run  # noqa: PLC0415 - late on purpose: see the module docstring

    run()


if __name__ == "__main__":
    main()
