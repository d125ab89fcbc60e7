"""The workbench without widgets: state, edits, branches, recording, and code to copy.

`session` has the one object that panels, pages and the command line share; `state` is its plain,
frozen value, `recording` turns that into tapes, `showing` into frames for a view, and `page` into
one HTML file that needs no kernel.
"""
