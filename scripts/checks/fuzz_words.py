"""Words of the languages of files, which damage puts in."""


def words_of(text: str) -> tuple[str, ...]:
    """Return words that blanks separate; "_" stands for a blank inside one."""
    return tuple(word.replace("_", " ") for word in text.split())


YAML = words_of(
    r"""{ } [ ] :_ -_ *a &a_ !!python/name:os.system !!float $nodes ?_ |_ null true .nan .inf
    1:1:1:1 2001-01-01 0x <<:_ "\u ' # %YAML_9.9 --- ... none stride up2 name format keep"""
)
"""Words of each language, separated by blanks; "_" stands for a blank inside one."""
JSON = words_of(r"""{ } [ ] : , " null true 1e999 "dtype" "F64" "\ud800" """)
PYTHON = words_of(
    r"""( ) [ ] range(2,_6) ('skip_connect',_1) 'none' **x lambda:_0 = Genotype( normal= -
    import('os') '\d' 1j True b'' f'{x}' # ' \ : = np.int64( list( {'a':_ "normal/op_2_0":
    [[ ~0|+|"""
)
XML = words_of("<!DOCTYPE_a> <!ENTITY_b_'c'> &b; </a> <object> <bndbox> <name/> ]]> &#0; <?x?> ../")
CELLS = words_of(""" , ; " "" {} [ filename xmin bbox split train \t """)
ROWS = words_of(r"0 1 1000000 . nan inf 1e400 a/b.jpg ../x.jpg /etc/x.jpg \ ")
