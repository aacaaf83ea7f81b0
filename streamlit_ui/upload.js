// The uploader takes HEIC, for the API to say what to do with it. But its input must not say so: then Safari makes
// JPEGs of an iPhone's pictures by itself.

export default function ({ parentElement }) {
  const uploader = parentElement.closest(".st-key-upload-file");
  const hide = () => {
    for (const input of uploader.querySelectorAll('input[accept*=".hei"]'))
      input.accept = input.accept.replace(/,?\.hei[cf]/g, "");
  };
  const observer = new MutationObserver(hide);
  observer.observe(uploader, { childList: true, subtree: true, attributeFilter: ["accept"] });
  hide();
  return () => observer.disconnect();
}
