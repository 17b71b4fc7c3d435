package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"go/types"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ast/astutil"
)

// selected is the variable of the changed package that holds the number of the
// change in force, 0 for none.
const selected = "selectedMutant"

// mutant is one change.
type mutant struct {
	file     string
	line     int
	function string
	code     string // what is changed
	change   string // what it becomes
}

// String names the change without its line, so that the name lasts longer than a
// line number.
func (m mutant) String() string {
	return fmt.Sprintf("%s %s: %s: %s", m.file, m.function, m.code, m.change)
}

// changer rewrites the functions of one file so that each of its changes can be
// selected.
type changer struct {
	fset     *token.FileSet
	info     *types.Info
	pkg      *types.Package
	file     string
	imports  map[string]string // the names of the imported packages, by path
	function string
	lines    map[ast.Node]int // before anything was changed
	mutants  *[]mutant
}

// add numbers a change and returns the condition that it is in force.
func (c *changer) add(at ast.Node, code, change string) ast.Expr {
	*c.mutants = append(*c.mutants, mutant{c.file, c.lines[at], c.function, code, change})
	n := &ast.BasicLit{Kind: token.INT, Value: strconv.Itoa(len(*c.mutants))}
	return &ast.BinaryExpr{X: ast.NewIdent(selected), Op: token.EQL, Y: n}
}

// text returns the source of a node on one line.
func (c *changer) text(n ast.Node) string {
	var b bytes.Buffer
	if err := format.Node(&b, c.fset, n); err != nil {
		return "?"
	}
	line := strings.Join(strings.Fields(b.String()), " ")
	if r := []rune(line); len(r) > 70 {
		line = string(r[:69]) + "…"
	}
	return line
}

// rewrite changes a function. Its parts are rewritten first, so that the original
// of an expression must be kept beside it.
func (c *changer) rewrite(f *ast.FuncDecl) {
	c.function = f.Name.Name
	c.lines = map[ast.Node]int{}
	originals := map[ast.Node]string{}
	copies := map[ast.Expr]ast.Expr{}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if n != nil {
			originals[n], c.lines[n] = c.text(n), c.fset.Position(n.Pos()).Line
		}
		if e, ok := n.(ast.Expr); ok {
			copies[e] = copyOf(e)
		}
		return true
	})
	astutil.Apply(f.Body, skipConstants, func(at *astutil.Cursor) bool {
		switch n := at.Node().(type) {
		case *ast.BinaryExpr:
			if e := c.binary(n, originals[n], copies[n]); e != nil {
				at.Replace(e)
			}
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				at.Replace(&ast.ParenExpr{X: differs(n, c.add(n, originals[n], "without !"))})
			}
		case *ast.Ident:
			if _, field := at.Parent().(*ast.SelectorExpr); field {
				break
			}
			if obj, ok := c.info.Uses[n].(*types.Const); ok && obj.Pkg() == nil && (n.Name == "true" || n.Name == "false") {
				at.Replace(&ast.ParenExpr{X: differs(ast.NewIdent(n.Name), c.add(n, originals[n], "negated"))})
			}
		case ast.Stmt:
			if s := c.statement(n, at, originals[n]); s != nil {
				at.Replace(s)
			}
		}
		return true
	})
}

// skipConstants leaves out what must stay constant, and types.
func skipConstants(at *astutil.Cursor) bool {
	switch n := at.Node().(type) {
	case *ast.GenDecl:
		return n.Tok != token.CONST
	case *ast.ArrayType, *ast.StructType, *ast.FuncType, *ast.InterfaceType, *ast.MapType:
		return false
	}
	return true
}

// differs returns x != y for two conditions.
func differs(x, y ast.Expr) ast.Expr {
	return &ast.BinaryExpr{X: &ast.ParenExpr{X: x}, Op: token.NEQ, Y: &ast.ParenExpr{X: y}}
}

func join(op token.Token, x, y ast.Expr) ast.Expr {
	return &ast.ParenExpr{X: &ast.BinaryExpr{X: &ast.ParenExpr{X: x}, Op: op, Y: &ast.ParenExpr{X: y}}}
}

func not(x ast.Expr) ast.Expr { return &ast.UnaryExpr{Op: token.NOT, X: &ast.ParenExpr{X: x}} }

// boundaries are the comparisons with and without the equal case.
var boundaries = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
}

var negations = map[token.Token]token.Token{
	token.LSS: token.GEQ, token.LEQ: token.GTR, token.GTR: token.LEQ, token.GEQ: token.LSS,
	token.EQL: token.NEQ, token.NEQ: token.EQL,
}

var arithmetic = map[token.Token]token.Token{
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
}

// binary returns the selectable changes of an operator, nil where it has none.
func (c *changer) binary(n *ast.BinaryExpr, code string, original ast.Expr) ast.Expr {
	if c.info.Types[n].Value != nil {
		return nil
	}
	was, ok := original.(*ast.BinaryExpr)
	if !ok {
		return nil
	}
	if negated, ok := negations[n.Op]; ok {
		e := differs(n, c.add(n, code, negated.String()))
		if other, ok := boundaries[n.Op]; ok {
			atEqual := join(token.LAND, c.add(n, code, other.String()), &ast.BinaryExpr{X: was.X, Op: token.EQL, Y: was.Y})
			e = differs(e, atEqual)
		}
		return &ast.ParenExpr{X: e}
	}
	if n.Op == token.LAND || n.Op == token.LOR {
		other := token.LOR
		if n.Op == token.LOR {
			other = token.LAND
		}
		on := c.add(n, code, other.String())
		return join(token.LOR, join(token.LAND, on, join(other, was.X, was.Y)), join(token.LAND, not(on), n))
	}
	other, ok := arithmetic[n.Op]
	if !ok {
		return nil
	}
	t, ok := c.numeric(c.info.Types[n].Type)
	if !ok {
		return nil
	}
	return &ast.CallExpr{Fun: &ast.FuncLit{
		Type: &ast.FuncType{Params: &ast.FieldList{}, Results: &ast.FieldList{List: []*ast.Field{{Type: ast.NewIdent(t)}}}},
		Body: &ast.BlockStmt{List: []ast.Stmt{
			&ast.IfStmt{Cond: c.add(n, code, other.String()), Body: &ast.BlockStmt{List: []ast.Stmt{
				&ast.ReturnStmt{Results: []ast.Expr{&ast.BinaryExpr{X: was.X, Op: other, Y: was.Y}}},
			}}},
			&ast.ReturnStmt{Results: []ast.Expr{n}},
		}},
	}}
}

// numeric returns the name of a numeric type in this file.
func (c *changer) numeric(t types.Type) (string, bool) {
	basic, ok := t.Underlying().(*types.Basic)
	if !ok || basic.Info()&types.IsNumeric == 0 || basic.Info()&types.IsUntyped != 0 {
		return "", false
	}
	known := true
	name := types.TypeString(t, func(p *types.Package) string {
		if p == c.pkg {
			return ""
		}
		imported, ok := c.imports[p.Path()]
		known = known && ok
		return imported
	})
	return name, known
}

// statement returns a statement that a change leaves out, nil where it can't.
func (c *changer) statement(n ast.Stmt, at *astutil.Cursor, code string) ast.Stmt {
	if at.Index() < 0 { // the head of an if, for or switch
		return nil
	}
	switch s := n.(type) {
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok {
			if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "panic" {
				return nil
			}
		}
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE || isBlank(s.Lhs) {
			return nil
		}
	case *ast.IncDecStmt:
	default:
		return nil
	}
	return &ast.IfStmt{Cond: not(c.add(n, code, "left out")), Body: &ast.BlockStmt{List: []ast.Stmt{n}}}
}

func isBlank(list []ast.Expr) bool {
	for _, e := range list {
		if name, ok := e.(*ast.Ident); !ok || name.Name != "_" {
			return false
		}
	}
	return true
}
