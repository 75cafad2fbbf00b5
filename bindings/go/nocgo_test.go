//go:build cgo && !wxtoken_nocgo

package wxtoken_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Most Go Dockerfiles have CGO_ENABLED=0, and a build for another system has it by itself.
func TestABuildWithoutCgoSaysInOneErrorWhatItNeeds(t *testing.T) {
	for _, how := range []string{"CGO_ENABLED=0", "GOARCH=arm64", "GOOS=darwin"} {
		if how != "CGO_ENABLED=0" && strings.Contains(how, goEnv(t, strings.Split(how, "=")[0])) {
			continue
		}
		build := exec.Command("go", "build", "-o", os.DevNull, ".")
		for _, variable := range os.Environ() {
			if !strings.HasPrefix(variable, "CGO_ENABLED=") {
				build.Env = append(build.Env, variable)
			}
		}
		build.Env = append(build.Env, how)
		text, err := build.CombinedOutput()
		said := string(text)
		if err == nil {
			t.Fatalf("%s: it builds", how)
		}
		const remedy = "wxtoken_needs_cgo__build_with_CGO_ENABLED_1_and_a_C_compiler"
		if strings.Count(said, ".go:") != 1 || !strings.Contains(said, remedy) {
			t.Errorf("%s: it says %s", how, said)
		}
	}
}

func goEnv(t *testing.T, name string) string {
	text, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
