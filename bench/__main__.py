"""`python -m bench [NAME]`: run one benchmark or all of them, and print the score card.

Holds no benchmark yet. It says so and ends well, so that the gate that runs it is already in place; a name is an error.
"""

import argparse
import sys


def main(arguments: list[str]) -> int:
    """Run what `arguments` name; exit code 0 when there was nothing to measure, 2 for a name that is no benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Print the score card of trimtab.")
    parser.add_argument("name", nargs="?", help="one benchmark; all of them without it")
    parser.add_argument("--quick", action="store_true", help="only what takes a minute")
    chosen = parser.parse_args(arguments)
    if chosen.name is not None:
        print(f"There is no benchmark named {chosen.name}: none exists yet.", file=sys.stderr)
        return 2
    print("No benchmark exists yet, so the score card is empty.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
