package io.github.libwxtoken;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.libwxtoken.Simulator.Account;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The examples, run as a user runs them, and their errors if the library is missing. */
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
  void oneGetsATokenAndTheOtherAsksWeChatThroughWxJava() throws Exception {
    String first = run("examples/FirstGet.java", 0);
    assertTrue(first.contains(" chars  expires in "), first);
    String second = run("examples/CallbackIps.java", 0);
    assertTrue(second.contains(" callback addresses"), second);
  }

  @ParameterizedTest
  @EnumSource(names = {"OFFICIAL", "WORK"})
  void oneSignsAPageAsWeChatChecksIt(Kind kind) throws Exception {
    Account account = Simulator.account(kind, Map.of());
    Path path = directory.resolve("tokens.db");
    environment = new HashMap<>();
    environment.put("LC_ALL", "C.UTF-8");
    environment.put("WXTOKEN_STORE", path.toString());
    environment.put("WXTOKEN_API_BASE_URL", Simulator.HTTP);
    environment.put("WXTOKEN_WORK_BASE_URL", Simulator.HTTP);
    environment.put("WXTOKEN_KIND", kind.toString());
    environment.put("WXTOKEN_ID", account.id());
    environment.put("WXTOKEN_SECRET", account.secret());
    Set<String> nonces = new HashSet<>();
    for (int i = 0; i < 2; i++) {
      String line = run(signing(), 0);
      JsonObject signed = JsonParser.parseString(line).getAsJsonObject();
      assertEquals(Set.of("appId", "timestamp", "nonceStr", "signature"), signed.keySet());
      assertEquals(account.id(), signed.get("appId").getAsString());
      nonces.add(signed.get("nonceStr").getAsString());
      JsonObject page = new JsonObject();
      page.add("appid", signed.get("appId"));
      page.addProperty("url", "https://shop.example/\u9875?from=menu&q=1#top");
      page.add("noncestr", signed.get("nonceStr"));
      page.add("timestamp", signed.get("timestamp"));
      page.add("signature", signed.get("signature"));
      assertEquals("{\"ok\":true}", Simulator.post("/js_config", page).toString());
      try (Store store = Simulator.store(path, new Options())) {
        assertFalse(line.contains(store.token("demo/jsapi_ticket").value()), line);
      }
      environment.remove("WXTOKEN_SECRET"); // the store has it after the first run
    }
    assertEquals(2, nonces.size());
  }

  @Test
  void anExampleThatCannotSignSaysWhy() throws Exception {
    String said = run("examples/JsSdk.java", 1);
    assertTrue(said.startsWith("usage: "), said);
    environment = new HashMap<>(environment);
    environment.put("LC_ALL", "C");
    said = run(signing(), 1);
    assertTrue(said.contains("set LC_ALL=C.UTF-8"), said);
  }

  @Test
  void aLibraryThatCannotBeLoadedIsNamedWithTheRemedy() throws Exception {
    environment = Map.of("WXTOKEN_LIBRARY", "/nonexistent/libwxtoken.so");
    String said = run("examples/FirstGet.java", 1);
    assertTrue(said.contains("cannot use the C library /nonexistent/libwxtoken.so"), said);
    assertTrue(said.contains("WXTOKEN_LIBRARY names it"), said);
  }

  /**
   * JNA cannot load its unpacked library, as on a noexec or read-only /tmp. Each use reports it,
   * and not only the first.
   */
  @Test
  void aJnaThatCannotLoadItsLibraryIsNamedWithTheRemedy() throws Exception {
    Path program = directory.resolve("Twice.java");
    Files.writeString(
        program,
        "public class Twice { public static void main(String[] a) {"
            + " for (int i = 0; i < 2; i++) try {"
            + " System.out.println(io.github.libwxtoken.Store.open());"
            + " } catch (Throwable t) { System.out.println(t); }"
            + " try { io.github.libwxtoken.Store.version(); }"
            + " catch (Throwable t) { System.out.println(t); } } }");
    Path taken = Files.writeString(directory.resolve("file"), "");
    List<String> command = new ArrayList<>(java(program.toString()));
    command.add(1, "-Djna.tmpdir=" + taken);
    command.add(1, "-Djna.nosys=true");
    String said = run(command, 0);
    List<String> lines = said.lines().collect(Collectors.toList());
    assertEquals(3, lines.size(), said);
    for (String line : lines) {
      assertTrue(line.startsWith("java.lang.UnsatisfiedLinkError: wxtoken cannot use JNA"), said);
      assertTrue(line.contains("-Djna.tmpdir="), said);
      assertTrue(line.contains("-Djna.boot.library.path="), said);
    }
  }

  @Test
  void aJnaThatIsNotOnTheClassPathIsNamed() throws Exception {
    Path program = directory.resolve("Once.java");
    Files.writeString(
        program,
        "public class Once { public static void main(String[] a) {"
            + " try { io.github.libwxtoken.Store.version(); }"
            + " catch (Throwable t) { System.out.println(t); } } }");
    List<String> command = new ArrayList<>(java(program.toString()));
    String all = System.getProperty("java.class.path");
    String ours =
        Stream.of(all.split(":"))
            .filter(entry -> !entry.contains("/jna"))
            .collect(Collectors.joining(":"));
    command.set(command.indexOf(all), ours);
    String said = run(command, 0);
    assertTrue(said.startsWith("java.lang.UnsatisfiedLinkError: wxtoken needs JNA"), said);
    assertTrue(said.contains("net.java.dev.jna:jna"), said);
  }

  // Passed through printf, because this Java's own locale may not have such a letter.
  private static List<String> signing() {
    String page = "'https://shop.example/\\351\\241\\265?from=menu&q=1#top'";
    List<String> command = new ArrayList<>();
    command.addAll(List.of("sh", "-c", "exec \"$@\" \"$(printf " + page + ")\"", "sh"));
    command.addAll(java("examples/JsSdk.java"));
    return command;
  }

  static List<String> java(String example) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // Otherwise Java warns of JNA.
    if (Runtime.version().feature() >= 22) {
      command.add("--enable-native-access=ALL-UNNAMED");
    }
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), example));
    return command;
  }

  private String run(String example, int status) throws IOException, InterruptedException {
    return run(java(example), status);
  }

  private String run(List<String> command, int status) throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().putAll(environment);
    Process process = builder.redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(status, process.waitFor(), said);
    return said;
  }
}
