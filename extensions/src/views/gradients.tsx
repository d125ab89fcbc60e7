export function Gradients() {
  return null;
}
