"""The scenarios: every public function of these modules is one, and takes the stage on which it plays.

Each of them serves clients before, during and after what it refuses, so that the ledger has something to compare with.
"""
import inspect

from scenarios import crashes, databases, files, lists, mail, messages, web

MODULES = (files, mail, web, databases, messages, lists, crashes)
ALL = {name: function for module in MODULES for name, function in inspect.getmembers(module, inspect.isfunction)
       if function.__module__ == module.__name__ and not name.startswith("_")}
