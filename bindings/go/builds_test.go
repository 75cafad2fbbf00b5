package wxtoken_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goWith runs the go command with these environment variables.
func goWith(t *testing.T, variables []string, arguments ...string) {
	t.Helper()
	command := exec.Command("go", arguments...)
	command.Env = append(os.Environ(), variables...)
	if said, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v go %v: %v: %s", variables, arguments, err, said)
	}
}

// Most Go Dockerfiles set CGO_ENABLED=0, and Go turns cgo off when it builds for another system or processor.
func TestItBuildsWithoutCgoWhereverGoDoes(t *testing.T) {
	for _, target := range []string{"linux/arm64", "darwin/arm64", "windows/amd64"} {
		system, processor, _ := strings.Cut(target, "/")
		goWith(t, []string{"CGO_ENABLED=0", "GOOS=" + system, "GOARCH=" + processor}, "vet", ".", "./internal/...", "./examples/...")
	}
}

func TestAProgramWithoutCgoIsStatic(t *testing.T) {
	for _, processor := range []string{"amd64", "arm64"} {
		path := filepath.Join(t.TempDir(), "program")
		goWith(t, []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + processor}, "build", "-o", path, "./examples/first_get")
		program, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		for _, segment := range program.Progs {
			if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
				t.Errorf("%s: it has a %v", processor, segment.Type)
			}
		}
		if libraries, _ := program.ImportedLibraries(); len(libraries) > 0 {
			t.Errorf("%s: it is linked with %v", processor, libraries)
		}
	}
}

// A program may use cgo for something else, and be built where the library is not installed.
func TestATagLeavesTheLibraryOutOfAProgramWithCgo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	goWith(t, []string{"PKG_CONFIG_PATH=", "PKG_CONFIG=false"}, "build", "-tags", "wxtoken_nocgo", "-o", path, "./examples/first_get")
}
