#!/usr/bin/env python3
"""How a file of Python is judged."""

import argparse


class Link:
    """Who calls whom."""

    def up(self) -> bool:
        """
        Whether it is up.
        """
        # The answer is
        # none.
        return True


parser = argparse.ArgumentParser(description="Which links there are")
parser.add_argument("--link", help="So that links are used")
print(f"the user was told {parser}", "this tells\nof a link", 'nobody would "tell of" it')
