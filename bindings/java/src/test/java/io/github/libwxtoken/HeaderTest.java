package io.github.libwxtoken;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The facts of the C library that this binding repeats. */
class HeaderTest {
  private static String header() throws IOException {
    String text = Files.readString(Path.of(System.getProperty("wxtoken.header")));
    return text.replaceAll("(?s)/\\*.*?\\*/", "");
  }

  @Test
  void eachFunctionIsBoundWithTheSameNumberOfParameters() throws IOException {
    Map<String, Integer> declared = new TreeMap<>();
    for (MatchResult function : find("(wxtoken_\\w+)\\(([^)]*)\\);")) {
      String parameters = function.group(2);
      declared.put(function.group(1), parameters.equals("void") ? 0 : parameters.split(",").length);
    }
    Map<String, Integer> bound =
        Arrays.stream(Library.class.getDeclaredMethods())
            .filter(method -> Modifier.isNative(method.getModifiers()))
            .collect(Collectors.toMap(Method::getName, Method::getParameterCount));
    assertEquals(declared, new TreeMap<>(bound));
  }

  @Test
  void theStructsHaveTheFieldsAtTheirOffsets() throws IOException {
    assertEquals(
        "wxtoken_status status; int32_t errcode; int64_t retry_after_ms; char message[496];",
        struct("wxtoken_error"));
    assertEquals(Library.ERROR_SIZE, Library.ERROR_MESSAGE + size("WXTOKEN_MESSAGE_SIZE"));
    assertEquals("int64_t expires_at; size_t length; char value[1024];", struct("wxtoken_token"));
    assertEquals(Library.TOKEN_SIZE, Library.TOKEN_VALUE + size("WXTOKEN_TOKEN_SIZE"));
  }

  @Test
  void eachStatusHasTheNumberAndNameThatItHasInC() throws IOException {
    for (MatchResult status : find("(WXTOKEN_E_\\w+) = (\\d+)")) {
      int number = Integer.parseInt(status.group(2));
      assertEquals(status.group(1), Status.of(number).constant());
      assertEquals(status.group(1), Library.wxtoken_status_name(number));
    }
    assertEquals(Status.UNKNOWN, Status.of(99));
  }

  @Test
  void thePackageHasTheVersionOfTheLibrary() {
    assertEquals(System.getProperty("wxtoken.version"), Store.version());
  }

  private static Iterable<MatchResult> find(String pattern) throws IOException {
    return Pattern.compile(pattern).matcher(header()).results().toList();
  }

  private static int size(String constant) throws IOException {
    return Integer.parseInt(find(constant + " = (\\d+)").iterator().next().group(1));
  }

  private static String struct(String name) throws IOException {
    String body = find("(?s)typedef struct " + name + " \\{(.*?)\\}").iterator().next().group(1);
    return body.strip().replaceAll("\\s+", " ");
  }
}
