/** One event of a stream, or the words of a comment. */
export interface StreamEvent {
  id: string | null;
  event: string;
  data: string;
  comment?: string;
}

/** Reads an event stream (HTML standard, 9.2.6); leaving the loop ends the stream. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const found: StreamEvent = { id: null, event: "message", data: "" };
      for (const line of text.slice(0, end).split("\n")) {
        const at = line.indexOf(":");
        const [field, value] = [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")];
        if (field === "") found.comment = value;
        else if (field === "id" || field === "event" || field === "data") found[field] = value;
      }
      text = text.slice(end + 2);
      yield found;
    }
  }
}
