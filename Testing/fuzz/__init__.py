"""Inputs with changed headers, by the thousand: nothing that a file says may end, stall or swell the program.

    python -m Testing.fuzz --cases 20000

Each case is one seed (`seeds`), changed (`mutate`) and read (`targets`) in a child process (`child`) that reads many,
one after the other; the parent (`watch`) notices what the child cannot tell itself. A case is named by kind and number
and is the same each time.
"""
