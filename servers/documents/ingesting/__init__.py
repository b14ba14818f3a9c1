"""From a folder of files to documents of one collection.

- `ordering.py`   what is to be done, and what with
- `scanning.py`   which files there are; never out of the folder, never through a link
- `opening.py`    the bytes of one file
- `wishes.py`     what the command wants of every document: classification, readers, labels
- `planning.py`   what is stored already, and what a file means for it
- `readying.py`   from bytes to what is stored, in worker processes
- `storing.py`    one transaction of many documents
- `skipping.py`   why a file is left out
- `reporting.py`  what came of it
- `running.py`    the way through all of these
"""
