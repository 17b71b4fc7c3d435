package main

import (
	"go/ast"
	"reflect"
)

// copyOf returns a deep copy of an expression, which later changes of the original
// leave alone. Objects, scopes and comments are not copied.
func copyOf(e ast.Expr) ast.Expr {
	return deep(reflect.ValueOf(e)).Interface().(ast.Expr)
}

func deep(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		switch v.Interface().(type) {
		case *ast.Object, *ast.Scope, *ast.CommentGroup:
			return reflect.Zero(v.Type())
		}
		to := reflect.New(v.Elem().Type())
		to.Elem().Set(deep(v.Elem()))
		return to
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		to := reflect.New(v.Type()).Elem()
		to.Set(deep(v.Elem()))
		return to
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			to.Index(i).Set(deep(v.Index(i)))
		}
		return to
	case reflect.Struct:
		to := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			to.Field(i).Set(deep(v.Field(i)))
		}
		return to
	}
	return v
}
