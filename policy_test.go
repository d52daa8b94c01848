package dvagent_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The RAM policies of the docs grant every operation that dvagent calls, and no other one.
func TestTheDocsGrantWhatIsCalled(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	granted := map[string]bool{}
	for _, action := range regexp.MustCompile(`(yundun-cert|alidns):(\w+)`).FindAllStringSubmatch(string(page), -1) {
		granted[action[2]] = true
	}
	operations := operationsOf(t, "internal/aliyun")
	called := calledOf(t, operations)
	for operation := range called {
		if !granted[operation] {
			t.Errorf("%s is called, and no policy grants it", operation)
		}
	}
	for operation := range granted {
		if !called[operation] {
			t.Errorf("%s is granted, and not called", operation)
		}
	}
	for i, block := range regexp.MustCompile("(?s)```json\n(\\{\"Version\".*?)```").FindAllStringSubmatch(string(page), -1) {
		if !json.Valid([]byte(block[1])) {
			t.Errorf("policy %d is no JSON", i+1)
		}
	}
}

// operationsOf are the exported methods of the client.
func operationsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	operations := map[string]bool{}
	inspect(t, dir, func(n ast.Node) {
		method, is := n.(*ast.FuncDecl)
		if !is || method.Recv == nil || !method.Name.IsExported() {
			return
		}
		if pointer, is := method.Recv.List[0].Type.(*ast.StarExpr); is && pointer.X.(*ast.Ident).Name == "Client" {
			operations[method.Name.Name] = true
		}
	})
	return operations
}

// calledOf are those operations that other packages call. A name that another
// version has too ends in its year.
func calledOf(t *testing.T, operations map[string]bool) map[string]bool {
	t.Helper()
	called := map[string]bool{}
	for dir, imports := range allowed {
		if !slices.Contains(imports, "internal/aliyun") {
			continue
		}
		inspect(t, dir, func(n ast.Node) {
			call, is := n.(*ast.CallExpr)
			if !is {
				return
			}
			if f, is := call.Fun.(*ast.SelectorExpr); is && operations[f.Sel.Name] {
				called[strings.TrimSuffix(f.Sel.Name, "2020")] = true
			}
		})
	}
	return called
}

// inspect shows each node of a package's files, but for its tests.
func inspect(t *testing.T, dir string, show func(ast.Node)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s has no files (%v)", dir, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			show(n)
			return true
		})
	}
}
