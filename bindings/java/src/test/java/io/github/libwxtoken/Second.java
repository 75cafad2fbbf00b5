package io.github.libwxtoken;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * A second process. Its main() opens the given store and prints "ready". It answers each line of
 * its input, the name of an account, with the token.
 */
public final class Second implements AutoCloseable {
  private final Process process;
  private final BufferedReader answers;

  /** Starts a class with a main() in a separate process, and waits until it is ready. */
  public Second(Class<?> main, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(main.getName());
    command.addAll(List.of(arguments));
    try {
      process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    answers =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    String ready = answer();
    if (!"ready".equals(ready)) {
      throw new AssertionError("the second process says " + ready);
    }
  }

  public void ask(String line) {
    try {
      process.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
      process.getOutputStream().flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public String answer() {
    try {
      return answers.readLine();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    process.destroy();
  }

  /** Serves the requests of a second process. */
  public static void serve(Function<String, String> answer) {
    System.out.println("ready");
    new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))
        .lines()
        .forEach(line -> System.out.println(answer.apply(line)));
  }

  public static void main(String[] arguments) {
    Store store = Simulator.store(Path.of(arguments[0]), new Options());
    serve(name -> store.token(name).value());
  }
}
