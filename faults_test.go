package dvagent_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// matrix are the numbers that the table has rows for.
var matrix = [][2]int{{1, 176}, {182, 191}, {194, 197}, {205, 206}}

var (
	faultRow    = regexp.MustCompile(`(?m)^\| (\d+) \| [^|]+ \| (.*) \|$`)
	faultRef    = regexp.MustCompile("`([^` ]+)(?: (\\w+))?`")
	faultNumber = regexp.MustCompile(`\d+`)
	isTest      = regexp.MustCompile(`^(Test|Fuzz|Benchmark)`)
)

// The table of faults names every number of the matrix, and each test that it names exists
// and names the number too.
func TestTheTableOfFaultsIsTrue(t *testing.T) {
	text, err := os.ReadFile("docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := faultRow.FindAllStringSubmatch(string(text), -1)
	var numbers []int
	for _, span := range matrix {
		for n := span[0]; n <= span[1]; n++ {
			numbers = append(numbers, n)
		}
	}
	if len(rows) != len(numbers) {
		t.Fatalf("%d rows, want %d", len(rows), len(numbers))
	}
	for i, row := range rows {
		number := numbers[i]
		if row[1] != fmt.Sprint(number) {
			t.Fatalf("the row of fault %d is of fault %s", number, row[1])
		}
		refs := faultRef.FindAllStringSubmatch(row[2], -1)
		if len(refs) == 0 {
			t.Errorf("fault %d names no test", number)
		}
		for _, ref := range refs {
			checkFaultRef(t, number, ref[1], ref[2])
		}
	}
}

func checkFaultRef(t *testing.T, number int, path, test string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("fault %d: %v", number, err)
		return
	}
	if test != "" && (!isTest.MatchString(test) || !strings.Contains(string(text), "func "+test+"(")) {
		t.Errorf("fault %d: %s has no %s", number, path, test)
	}
	if !namesFault(string(text), number) {
		t.Errorf("fault %d: %s does not name it", number, path)
	}
}

// Each test that names a fault in a comment is named in the row of that fault. The tests of
// the sandbox are not: they show that it makes the fault, and not what dvagent does then.
func TestEachTestOfAFaultIsInTheTableOfFaults(t *testing.T) {
	text, err := os.ReadFile("docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, row := range faultRow.FindAllStringSubmatch(string(text), -1) {
		for _, ref := range faultRef.FindAllStringSubmatch(row[2], -1) {
			named[strings.TrimSpace(strings.Join([]string{row[1], ref[1], ref[2]}, " "))] = true
		}
	}
	found := 0
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") || path == "faults_test.go" || strings.HasPrefix(path, "internal/sandbox/") {
			return err
		}
		source, err := os.ReadFile(path)
		for test, numbers := range faultsOf(string(source)) {
			for _, n := range numbers {
				found++
				if !named[fmt.Sprint(n, " ", path)] && !named[fmt.Sprint(n, " ", path, " ", test)] {
					t.Errorf("%s: %s is of fault %d, whose row in docs/faults.md does not name it", path, test, n)
				}
			}
		}
		return err
	})
	if err != nil || found < 100 {
		t.Errorf("%d are found (%v)", found, err)
	}
}

var (
	topFunction  = regexp.MustCompile(`^func (?:\([^)]*\) )?(\w+)`)
	faultComment = regexp.MustCompile(`//.*?\bfaults? (\d.*)`)
)

// faultsOf are the numbers in the comments of each function: above it, or within it.
func faultsOf(source string) map[string][]int {
	of := map[string][]int{}
	var above []int
	function := ""
	for _, line := range strings.Split(source, "\n") {
		if m := topFunction.FindStringSubmatch(line); m != nil {
			function = m[1]
			of[function], above = append(of[function], above...), nil
		}
		m := faultComment.FindStringSubmatch(line)
		switch {
		case m == nil:
		case strings.HasPrefix(line, "//"):
			above = append(above, faultsIn(m[1])...)
		default:
			of[function] = append(of[function], faultsIn(m[1])...)
		}
	}
	return of
}

// faultsIn are the numbers of "7, 9 and 11–13".
func faultsIn(text string) (numbers []int) {
	last := 0
	for _, m := range faultNumber.FindAllStringIndex(text, -1) {
		var n int
		fmt.Sscan(text[m[0]:m[1]], &n)
		if strings.HasSuffix(text[:m[0]], "–") {
			for between := last + 1; between < n; between++ {
				numbers = append(numbers, between)
			}
		}
		numbers, last = append(numbers, n), n
	}
	return numbers
}

// namesFault looks for the number in the comments "fault 7" or "faults 7, 9 and 11–13".
func namesFault(text string, number int) bool {
	for _, line := range strings.Split(text, "\n") {
		_, rest, found := strings.Cut(line, "fault")
		if !found {
			continue
		}
		if slices.Contains(faultsIn(rest), number) {
			return true
		}
	}
	return false
}
