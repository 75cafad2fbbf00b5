import cn.binarywang.wx.miniapp.api.WxMaService;
import cn.binarywang.wx.miniapp.api.impl.WxMaServiceImpl;
import cn.binarywang.wx.miniapp.config.impl.WxMaDefaultConfigImpl;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import me.chanjar.weixin.channel.api.WxChannelService;
import me.chanjar.weixin.channel.api.impl.WxChannelServiceImpl;
import me.chanjar.weixin.channel.config.impl.WxChannelDefaultConfigImpl;
import me.chanjar.weixin.common.error.WxErrorException;
import me.chanjar.weixin.cp.api.WxCpService;
import me.chanjar.weixin.cp.api.impl.WxCpServiceImpl;
import me.chanjar.weixin.cp.bean.message.WxCpMessage;
import me.chanjar.weixin.cp.config.impl.WxCpDefaultConfigImpl;
import me.chanjar.weixin.mp.api.WxMpService;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.bean.kefu.WxMpKefuMessage;
import me.chanjar.weixin.mp.config.WxMpHostConfig;
import me.chanjar.weixin.mp.config.impl.WxMpDefaultConfigImpl;

/** WxJava with all its calls through the server. forwarding.py defines the lines that it reads and its answers. */
public final class Forwarding {
  private static final String TEXT = "您好，世界";

  private Forwarding() {}

  /** A part of WxJava. */
  private interface Sdk {
    void call() throws Exception;

    String upload(File file) throws Exception;

    File download(String mediaId) throws Exception;

    /** The token in its store. */
    String token();

    default void login() throws Exception {
      throw new UnsupportedOperationException("login");
    }
  }

  public static void main(String[] arguments) throws Exception {
    String server = System.getenv("SDKS_SERVER");
    String key = System.getenv("SDKS_KEY");
    Map<String, Sdk> sdks = new LinkedHashMap<>();
    for (String argument : arguments) {
      String[] parts = argument.split("=");
      sdks.put(parts[0], of(parts[0], server, parts[1], key));
    }
    PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    output.println("ready");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = input.readLine()) != null; ) {
      String[] words = line.split(" ");
      output.println(answer(sdks.get(words[0]), words).replace('\n', ' '));
    }
  }

  private static Sdk of(String name, String server, String id, String key) {
    switch (name) {
      case "wxjava-mp":
        return new OfficialAccount(server, id, key);
      case "wxjava-cp":
        return new Work(server, id, key);
      case "wxjava-miniapp":
        return new MiniProgram(server, id, key);
      case "wxjava-channel":
        return new Channel(server, id, key);
      default:
        throw new IllegalArgumentException(name);
    }
  }

  private static String answer(Sdk sdk, String[] words) {
    try {
      switch (words[1]) {
        case "call":
          sdk.call();
          return "ok";
        case "login":
          sdk.login();
          return "ok";
        case "upload":
          return "ok " + sdk.upload(new File(words[2]));
        case "download":
          Files.move(sdk.download(words[2]).toPath(), Path.of(words[3]), StandardCopyOption.REPLACE_EXISTING);
          return "ok";
        default:
          return "ok " + sdk.token();
      }
    } catch (WxErrorException refused) {
      return "errcode " + refused.getError().getErrorCode() + ": " + refused.getError().getErrorMsg();
    } catch (Exception reason) {
      return "errcode in: " + reason;
    }
  }

  private static void wants(boolean good, Object answer) {
    if (!good) {
      throw new IllegalStateException("no answer: " + answer);
    }
  }

  private static final class OfficialAccount implements Sdk {
    private final WxMpDefaultConfigImpl config = new WxMpDefaultConfigImpl();
    private final WxMpService service = new WxMpServiceImpl();

    OfficialAccount(String server, String id, String key) {
      config.setAppId(id);
      config.setSecret(key);
      config.setHostConfig(WxMpHostConfig.builder().apiHost(server).build());
      service.setWxMpConfigStorage(config);
    }

    @Override
    public void call() throws WxErrorException {
      String openid = service.getUserService().userInfo("oDemo").getOpenId();
      wants("oDemo".equals(openid), openid);
      WxMpKefuMessage message = WxMpKefuMessage.TEXT().toUser("oDemo").content(TEXT).build();
      wants(service.getKefuService().sendKefuMessage(message), message);
    }

    @Override
    public void login() throws WxErrorException {
      String openid = service.getOAuth2Service().getAccessToken("code").getOpenId();
      wants("oDemo".equals(openid), openid);
    }

    @Override
    public String upload(File file) throws WxErrorException {
      return service.getMaterialService().mediaUpload("image", file).getMediaId();
    }

    @Override
    public File download(String mediaId) throws WxErrorException {
      return service.getMaterialService().mediaDownload(mediaId);
    }

    @Override
    public String token() {
      return config.getAccessToken();
    }
  }

  private static final class Work implements Sdk {
    private final WxCpDefaultConfigImpl config = new WxCpDefaultConfigImpl();
    private final WxCpService service = new WxCpServiceImpl();

    Work(String server, String id, String key) {
      config.setCorpId(id);
      config.setCorpSecret(key);
      config.setAgentId(1000002);
      config.setBaseApiUrl(server);
      service.setWxCpConfigStorage(config);
    }

    @Override
    public void call() throws WxErrorException {
      String name = service.getUserService().getById("zhangsan").getName();
      wants("张三".equals(name), name);
      WxCpMessage message = WxCpMessage.TEXT().agentId(1000002).toUser("zhangsan").content(TEXT).build();
      wants("m1".equals(service.getMessageService().send(message).getMsgId()), message);
    }

    @Override
    public String upload(File file) throws WxErrorException {
      return service.getMediaService().upload("file", file).getMediaId();
    }

    @Override
    public File download(String mediaId) throws WxErrorException {
      return service.getMediaService().download(mediaId);
    }

    @Override
    public String token() {
      return config.getAccessToken();
    }
  }

  private static final class MiniProgram implements Sdk {
    private final WxMaDefaultConfigImpl config = new WxMaDefaultConfigImpl();
    private final WxMaService service = new WxMaServiceImpl();

    MiniProgram(String server, String id, String key) {
      config.setAppid(id);
      config.setSecret(key);
      config.useStableAccessToken(true);
      config.setApiHostUrl(server);
      service.setWxMaConfig(config);
    }

    @Override
    public void call() throws WxErrorException {
      String number = service.getUserService().getPhoneNoInfo("code").getPhoneNumber();
      wants("13800000000".equals(number), number);
    }

    @Override
    public void login() throws WxErrorException {
      String openid = service.getUserService().getSessionInfo("code").getOpenid();
      wants("oDemo".equals(openid), openid);
    }

    @Override
    public String upload(File file) throws WxErrorException {
      return service.getMediaService().uploadMedia("image", file).getMediaId();
    }

    @Override
    public File download(String mediaId) throws WxErrorException {
      return service.getMediaService().getMedia(mediaId);
    }

    @Override
    public String token() {
      return config.getAccessToken();
    }
  }

  private static final class Channel implements Sdk {
    private final WxChannelDefaultConfigImpl config = new WxChannelDefaultConfigImpl();
    private final WxChannelService service = new WxChannelServiceImpl();

    Channel(String server, String id, String key) {
      config.setAppid(id);
      config.setSecret(key);
      config.setApiHostUrl(server);
      service.setConfig(config);
    }

    @Override
    public void call() throws WxErrorException {
      String name = service.getBasicService().getShopInfo().getInfo().getNickname();
      wants("小店".equals(name), name);
    }

    @Override
    public String upload(File file) throws WxErrorException {
      return service.getBasicService().uploadImg(0, file, 1, 1).getMediaId();
    }

    @Override
    public File download(String mediaId) throws WxErrorException {
      return service.getBasicService().getImg(mediaId).getFile();
    }

    @Override
    public String token() {
      return config.getAccessToken();
    }
  }
}
