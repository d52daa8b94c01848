package command

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"dvagent/internal/hint"
)

// headLength is how much of a program the kernel reads to see what it is.
const headLength = 256

// startable says why the kernel will not start a program that is there and may
// be run: then it says no more than that a file is missing, or has a wrong format.
func startable(path string, env []string) error {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe keeps nobody waiting
	if err != nil {
		return nil // it may be run without being read
	}
	defer file.Close()
	head := make([]byte, headLength)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil
	}
	head = head[:n]
	switch script, isScript := bytes.CutPrefix(head, []byte("#!")); {
	case isScript:
		line, _, _ := strings.Cut(string(script), "\n")
		return interpreted(path, line, env)
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return loaded(path, file)
	case isText(head):
		return hint.Add(fmt.Errorf("run %s: it is a text that does not name its interpreter", path), "let its first line be #!/bin/sh, or what it is for")
	}
	return nil
}

// isText is for the beginning of a file, which may end within a letter.
func isText(head []byte) bool {
	whole := head[:max(len(head)-utf8.UTFMax, 0)]
	return utf8.Valid(whole) && !bytes.ContainsRune(head, 0)
}

// interpreted is for a script, by what follows "#!" in its first line.
func interpreted(path, line string, env []string) error {
	if strings.HasSuffix(line, "\r") {
		return hint.Add(fmt.Errorf("run %s: its lines end in CR LF, as on Windows, and so does the name of its interpreter", path),
			fmt.Sprintf(`sed -i 's/\r$//' %s`, path))
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return hint.Add(fmt.Errorf("run %s: its first line names no interpreter", path), "let its first line be #!/bin/sh, or what it is for")
	}
	if _, err := executable(words[0]); err != nil {
		return fmt.Errorf("run %s: its interpreter: %w", path, err)
	}
	if filepath.Base(words[0]) != "env" {
		return nil
	}
	for _, word := range words[1:] {
		if strings.HasPrefix(word, "-") || strings.Contains(word, "=") {
			continue
		}
		if _, err := find(word, env); err != nil {
			return fmt.Errorf("run %s: its interpreter: %w", path, err)
		}
		break
	}
	return nil
}

// loaded is for a program that names the one which loads it.
func loaded(path string, file io.ReaderAt) error {
	program, err := elf.NewFile(file)
	if err != nil {
		return nil // the kernel may know better
	}
	for _, part := range program.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		name, err := io.ReadAll(io.LimitReader(part.Open(), 4096))
		if err != nil {
			return nil
		}
		if _, err := os.Stat(string(bytes.TrimRight(name, "\x00"))); errors.Is(err, os.ErrNotExist) {
			return hint.Add(fmt.Errorf("run %s: what loads it is missing: %s", path, bytes.TrimRight(name, "\x00")), "it is built for another system: take the one for this system")
		}
	}
	return nil
}
