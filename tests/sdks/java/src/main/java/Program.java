import cn.binarywang.wx.miniapp.api.WxMaService;
import cn.binarywang.wx.miniapp.api.impl.WxMaServiceImpl;
import cn.binarywang.wx.miniapp.config.impl.WxMaDefaultConfigImpl;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import me.chanjar.weixin.common.error.WxErrorException;

/**
 * WxJava's mini program with a token of the server. For each line that it reads it makes one business call and prints the
 * result. With the argument stable it requests a stable token.
 */
public final class Program {
  private Program() {}

  public static void main(String[] arguments) throws Exception {
    String server = System.getenv("SDKS_SERVER");
    WxMaDefaultConfigImpl config = new WxMaDefaultConfigImpl();
    config.setAppid(System.getenv("SDKS_ID"));
    config.setSecret(System.getenv("SDKS_KEY"));
    if (arguments.length > 0 && arguments[0].equals("stable")) {
      config.useStableAccessToken(true);
      config.setAccessTokenUrl(server + "/cgi-bin/stable_token");
    } else {
      config.setAccessTokenUrl(server + "/cgi-bin/token?grant_type=client_credential&appid=%s&secret=%s");
    }
    // The simulator takes WeChat's place here. A production program does not have this line.
    config.setApiHostUrl(System.getenv("SDKS_WECHAT"));
    WxMaService service = new WxMaServiceImpl();
    service.setWxMaConfig(config);

    System.out.println("ready");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    while (input.readLine() != null) {
      System.out.println(call(service).replace('\n', ' '));
    }
  }

  private static String call(WxMaService service) {
    try {
      String answer = service.get("https://api.weixin.qq.com/cgi-bin/getcallbackip", "");
      return answer.contains("ip_list") ? "ok" : "no answer: " + answer;
    } catch (WxErrorException refused) {
      return "errcode " + refused.getError().getErrorCode() + ": " + refused.getError().getErrorMsg();
    }
  }
}
