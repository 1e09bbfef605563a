"""Small changes of a module's behaviour, one at a time."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_NO_BEHAVIOUR = {"annotation", "returns", "decorator_list", "bases", "keywords", "exc", "msg"}
"""Fields of nodes that stay as they are; `keywords` are those of a class."""

Change = tuple[str, Callable[[Any], None]]
"""How the changed code is shown, and what changes the node in place."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed module.

    Attributes:
        line: of the change, from 1.
        before: the source of what is changed.
        after: what stands there instead.
        tree: the whole module.
    """

    line: int
    before: str
    after: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.line}: {self.before}  ->  {self.after}"


def mutants_of(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, from its top to its end.

    Types, decorators, texts, and what is raised stay as they are.
    """
    tree = ast.parse(source)
    for index, node in enumerate(_nodes(tree)):
        for number, (after, _) in enumerate(_changes(node)):
            changed = copy.deepcopy(tree)
            same = _nodes(changed)[index]
            _changes(same)[number][1](same)
            ast.fix_missing_locations(changed)
            yield Mutant(getattr(node, "lineno", 0), _first_line(node), after, changed)


def _nodes(node: ast.AST) -> list[ast.AST]:
    found = [node]
    for field, value in ast.iter_fields(node):
        if field in _NO_BEHAVIOUR and not (field == "keywords" and isinstance(node, ast.Call)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                found += _nodes(child)
    return found


def _changes(node: ast.AST) -> list[Change]:
    match node:
        case ast.Compare():
            return [
                _compares(node, place, new) for place, op in enumerate(node.ops) for new in _COMPARISONS[type(op)]
            ]
        case ast.BinOp() | ast.AugAssign() if type(node.op) in _ARITHMETIC and not _joins_texts_or_types(node):
            return [_sets(node, "op", _ARITHMETIC[type(node.op)]())]
        case ast.BoolOp():
            return [_sets(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())]
        case ast.UnaryOp(op=ast.Not()):
            return [_sets(node, "operand", _negated(node.operand))]
        case ast.If() | ast.IfExp() | ast.While() if isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
            return [_sets(node, "test", _negated(node.test))]
        case ast.Constant(value=bool()):
            return [_sets(node, "value", not node.value)]
        case ast.Constant(value=int() | float() as number):
            return [_sets(node, "value", number + 1)]
        case ast.Name(id="min" | "max" | "any" | "all"):
            return [_sets(node, "id", _FUNCTIONS[node.id])]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.If() | ast.For() | ast.While() | ast.With():
            return [_leaves_out(node, place) for place, each in enumerate(node.body) if _acts(each)]
    return []


def _compares(node: ast.Compare, place: int, new: type[ast.cmpop]) -> Change:
    return _sets(node, "ops", [*node.ops[:place], new(), *node.ops[place + 1 :]])


def _sets(node: ast.AST, field: str, value: object) -> Change:
    shown = copy.deepcopy(node)
    setattr(shown, field, value)
    return _first_line(shown), lambda same: setattr(same, field, value)


def _leaves_out(node: Any, place: int) -> Change:
    def leave_out(same: Any) -> None:
        same.body[place] = ast.Pass()

    return f"without {_first_line(node.body[place])}", leave_out


def _acts(statement: ast.stmt) -> bool:
    """Whether it is there for its effect: a call, a changed variable or attribute, a loop that is left."""
    match statement:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Delete() | ast.Continue() | ast.Break():
            return True
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            return True
    return False


def _joins_texts_or_types(node: ast.BinOp | ast.AugAssign) -> bool:
    """Or types: their names begin with a capital letter, as those of no value but constants do."""
    parts = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.value]
    if isinstance(node.op, ast.BitOr) and any(isinstance(part, ast.Name) and part.id[0].isupper() for part in parts):
        return True
    return any(isinstance(part, ast.JoinedStr | ast.Constant) and not _is_number(part) for part in parts)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _negated(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _first_line(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).partition("\n")[0]
