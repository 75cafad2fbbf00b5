package io.github.libwxtoken;

import java.util.Locale;

/** The kind of an account. docs/credentials.md of the project says what each needs. */
public enum Kind {
  OFFICIAL,
  OFFICIAL_CLASSIC,
  WORK,
  COMPONENT,
  AUTHORIZER,
  SUITE,
  WORK_AUTHORIZED,
  PROVIDER,
  QQ,
  DOUYIN,
  DINGTALK,
  FEISHU,
  QQBOT,
  DOUYIN_STABLE,
  DOUYIN_GAME,
  DINGTALK_SUITE,
  FEISHU_STORE,
  FEISHU_TENANT,
  LARK,
  XIAOHONGSHU,
  BAIDU,
  QIDIAN;

  /** Returns the kind's name in C, such as {@code "official"}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
