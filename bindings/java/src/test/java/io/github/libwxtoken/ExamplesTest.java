package io.github.libwxtoken;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.libwxtoken.Simulator.Account;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples, as a user runs them; and what they see who lack the library. */
class ExamplesTest {
  @TempDir Path directory;
  private Map<String, String> environment;

  @BeforeEach
  void setEnvironment() {
    Account account = Simulator.account();
    environment =
        Map.of(
            "WXTOKEN_STORE", directory.resolve("tokens.db").toString(),
            "WXTOKEN_API_BASE_URL", Simulator.HTTP,
            "WXTOKEN_ID", account.id(),
            "WXTOKEN_SECRET", account.secret());
  }

  @Test
  void oneGetsATokenAndTheOtherAsksWeChatByWxJava() throws Exception {
    String first = run("examples/FirstGet.java", 0);
    assertTrue(first.contains(" chars  expires in "), first);
    String second = run("examples/CallbackIps.java", 0);
    assertTrue(second.contains(" callback addresses"), second);
  }

  @Test
  void aLibraryThatCannotBeLoadedIsNamedWithWhatToDo() throws Exception {
    environment = Map.of("WXTOKEN_LIBRARY", "/nonexistent/libwxtoken.so");
    String said = run("examples/FirstGet.java", 1);
    assertTrue(said.contains("cannot use the C library /nonexistent/libwxtoken.so"), said);
    assertTrue(said.contains("WXTOKEN_LIBRARY names it"), said);
  }

  private String run(String example, int status) throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            example);
    builder.environment().putAll(environment);
    Process process = builder.redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(status, process.waitFor(), said);
    return said;
  }
}
