package dvagent_test

import (
	"fmt"
	"os"
	"regexp"
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

// namesFault looks for the number in the comments "fault 7" or "faults 7, 9 and 11–13".
func namesFault(text string, number int) bool {
	for _, line := range strings.Split(text, "\n") {
		_, rest, found := strings.Cut(line, "fault")
		if !found {
			continue
		}
		var last int
		for _, m := range faultNumber.FindAllStringIndex(rest, -1) {
			var n int
			fmt.Sscan(rest[m[0]:m[1]], &n)
			ranged := strings.HasSuffix(rest[:m[0]], "–")
			if n == number || ranged && last < number && number < n {
				return true
			}
			last = n
		}
	}
	return false
}
