#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes C from include/abi/hypercall.tbl and privilege.tbl, so that the guest's stubs, the
hypervisor's tables and checks, and the test of who may do what cannot disagree.

    hypercalls.py PRODUCT hypercall.tbl privilege.tbl > HEADER

    stubs       pvguest/hypercalls.h    static inline HYPERVISOR_<name>() for guests
    list        abi/hypercall_list.h    HYPERCALL(number, name, handler, parameters, flags) lines,
                                        for whoever defines the macro HYPERCALL and includes it
    names       abi/operation_names.h   #defines for the hypervisor's handlers, three an operation
    operations  abi/operation_list.h    OPERATION(hypercall, name, who, refused, result) lines
"""
import collections
import re
import sys

import host

REGISTERS = 6
WHO = ('any', 'own', 'others', 'control')
RESULTS = {'ok': '0', 'number': '1', 'ends': 'ENDS'}      # and what they are in C
Hypercall = collections.namedtuple('Hypercall', 'where number name arguments handler flags')
Operation = collections.namedtuple('Operation', 'where hypercall name who refused result')


def whole_lines(text):
    """Yield (number, line): one that ends in a backslash goes on in the next."""
    begun, number = "", 0
    for this, line in enumerate(text.splitlines(), 1):
        number = number or this
        if line.endswith("\\"):
            begun += line[:-1]
            continue
        yield number, begun + line
        begun, number = "", 0
    if begun:
        yield number, begun


def lines_of(path, count):
    """Yield (where, columns, words behind '#') of each row, which must have so many columns."""
    for line_number, line in whole_lines(open(path).read()):
        row, _, remark = line.partition('#')
        if not row.strip():
            continue
        columns = [column.strip() for column in row.split('|')]
        where = f'{path}:{line_number}'
        if len(columns) != count:
            sys.exit(f'{where}: {count} columns wanted, {len(columns)} found')
        yield where, columns, remark.strip()


def read_hypercalls(path):
    """{name: Hypercall}; complains about anything odd, by line."""
    rows = {}
    for where, (number, name, arguments, handler, flags), _ in lines_of(path, 5):
        arguments = [] if arguments == '-' else [a.strip() for a in arguments.split(',')]
        taken = {row.number for row in rows.values()}
        if not number.isdigit() or int(number) in taken:
            sys.exit(f'{where}: bad or repeated number {number}')
        if name in rows:
            sys.exit(f'{where}: {name} again')
        if len(arguments) > REGISTERS:
            sys.exit(f'{where}: more than {REGISTERS} arguments')
        if set(flags) - set('MPDX-'):
            sys.exit(f'{where}: unknown flags {flags}')
        rows[name] = Hypercall(where, int(number), name, arguments, handler, flags)
    return rows


def check_operation(row, remark, hypercalls):
    if row.hypercall not in hypercalls:
        return f'no hypercall is called {row.hypercall}'
    if row.name != '-' and not re.fullmatch(r'[A-Z][A-Za-z0-9_]+', row.name):
        return f'{row.name} is not a public constant'
    if row.who not in WHO:
        return f'{row.who} is none of {", ".join(WHO)}'
    if (row.refused == '-') != (row.who == 'any'):
        return 'nobody is refused what any domain may do, and somebody all else'
    if row.refused != '-' and not re.fullmatch(r'E[A-Z0-9]+|GNTST_\w+', row.refused):
        return f'{row.refused} is neither an errno nor a status of grants'
    if row.result not in RESULTS and not re.fullmatch(r'E[A-Z0-9]+', row.result):
        return f'{row.result} is none of {", ".join(RESULTS)}, and no errno'
    if row.result not in ('ok', 'number') and not remark:
        return 'why is a call not ok that is well-formed and allowed? Say it behind a #'
    if 'D' in hypercalls[row.hypercall].flags and (row.who, row.refused) != ('control', 'EPERM'):
        return f"all of {row.hypercall} is the control domain's (flag D): control and EPERM wanted"
    return None


def read_operations(path, hypercalls):
    """[Operation]; complains about anything odd, by line, and about hypercalls without rows."""
    rows, of = [], collections.defaultdict(list)
    for where, columns, remark in lines_of(path, 5):
        row = Operation(where, *columns)
        complaint = check_operation(row, remark, hypercalls)
        if not complaint and row.name in {r.name for r in of[row.hypercall]}:
            complaint = f'{row.hypercall} {row.name} again'
        if not complaint and of[row.hypercall] and '-' in (row.name, of[row.hypercall][0].name):
            complaint = f'{row.hypercall} either has operations or is one'
        if not complaint and row.name != '-' and not hypercalls[row.hypercall].arguments:
            complaint = f'{row.hypercall} has no argument that could say which operation'
        if complaint:
            sys.exit(f'{where}: {complaint}')
        rows.append(row)
        of[row.hypercall].append(row)
    for hypercall in hypercalls.values():
        its = of[hypercall.name]
        if not its:
            sys.exit(f'{hypercall.where}: {hypercall.name} has no row in {path}')
        kinds = {(row.who, row.refused) for row in its}
        if kinds == {('control', 'EPERM')} and 'D' not in hypercall.flags:
            sys.exit(f"{hypercall.where}: all of it is the control domain's: flag D wanted")
    return rows


def argument_name(declaration):
    return re.search(r'(\w+)$', declaration).group(1)


def made_from(tables):
    print('/* SPDX-License-Identifier: MIT */')
    print(f'/* Generated by pvguest-sdk/tools/hypercalls.py from include/abi/{tables}. */')


def stubs(hypercalls, operations):
    made_from('hypercall.tbl: the meanings are in <xen/xen.h>')
    print('#ifndef PVGUEST_HYPERCALLS_H\n#define PVGUEST_HYPERCALLS_H\n')
    print('#include <pvguest/debug.h>\n#include <pvguest/hypercall.h>\n')
    rows = hypercalls.values()
    arguments = ' '.join(a for row in rows for a in row.arguments)
    for struct in sorted(set(re.findall(r'struct (\w+)', arguments))):
        print(f'struct {struct};')
    for row in rows:
        values = ''.join(f', (unsigned long)({argument_name(a)})' for a in row.arguments)
        declarations = ', '.join(row.arguments) or 'void'
        print(f'\nstatic inline long HYPERVISOR_{row.name}({declarations})\n{{')
        call = f'pvguest_call{len(row.arguments)}({row.number}{values})'
        print(f'    return pvguest_told({row.number}, {call});\n}}')
    print('\n#endif')


def parameter(declaration):
    """As the hypervisor has it: a guest's pointer is a number, to copy from and never to follow."""
    return f'uint64_t {argument_name(declaration)}' if '*' in declaration else declaration


def table_list(hypercalls, operations):
    made_from('hypercall.tbl')
    print('/* HYPERCALL(number, name, handler, (parameters), flags) */')
    names = {'M': 'HC_MULTICALL', 'P': 'HC_PREEMPTIBLE', 'D': 'HC_PRIVILEGED', 'X': 'HC_EXTENSION'}
    for row in hypercalls.values():
        flags = ' | '.join(names[f] for f in row.flags if f in names) or '0'
        parameters = ', '.join(map(parameter, row.arguments)) or 'void'
        print(f'HYPERCALL({row.number}, {row.name}, {row.handler}, ({parameters}), {flags})')


def value_of(word):
    """As C says it: errnos are returned negative, statuses of grants are negative as they are."""
    if word in RESULTS:
        return RESULTS[word]
    return '0' if word == '-' else word if word.startswith('GNTST_') else f'-{word}'


def is_guarded(row, hypercalls):
    """Is the check made where the operation is dispatched, not before the whole hypercall?"""
    return row.who == 'control' and 'D' not in hypercalls[row.hypercall].flags


def operation_names(hypercalls, operations):
    made_from('privilege.tbl')
    print("/* OP_x is x; GUARD_x the errno of who is not the control domain (0: any may, or\n"
          " * entry/hypercall.c refuses all of it, flag D); FOREIGN_x: may the control domain\n"
          " * name another? */")
    print('#ifndef ABI_OPERATION_NAMES_H\n#define ABI_OPERATION_NAMES_H\n')
    for row in operations:
        if row.name == '-':
            continue
        print(f'#define OP_{row.name} {row.name}')
        guard = row.refused if is_guarded(row, hypercalls) else '-'
        print(f'#define GUARD_{row.name} {value_of(guard)}')
        print(f'#define FOREIGN_{row.name} {int(row.who == "others")}')
    print('\n#endif')


def operation_list(hypercalls, operations):
    made_from('privilege.tbl')
    print("/* OPERATION(hypercall, name: the hypercall's if it is one, who, refused, result) */")
    for row in operations:
        name = row.hypercall if row.name == '-' else row.name
        values = ', '.join(value_of(word) for word in (row.refused, row.result))
        print(f'OPERATION({row.hypercall}, {name}, {row.who}, {values})')


PRODUCTS = {'stubs': stubs, 'list': table_list,
            'names': operation_names, 'operations': operation_list}


def main():
    product, table, privileges = host.words(__doc__, 3)
    if product not in PRODUCTS:
        sys.exit(f"hypercalls.py: there is no {product}; there are {', '.join(PRODUCTS)}")
    hypercalls = read_hypercalls(table)
    PRODUCTS[product](hypercalls, read_operations(privileges, hypercalls))


if __name__ == '__main__':
    main()
