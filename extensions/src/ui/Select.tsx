/** A list to choose from that shows what is in force: a choice stands there once it was taken over. */

interface Props {
  label: string;
  names: string[];
  chosen: number;
  title?: string;
  onChoose: (place: number) => void;
}

export function Select({ label, names, chosen, title, onChoose }: Props) {
  return (
    <select
      aria-label={label}
      title={title}
      onChange={(event) => {
        const place = event.currentTarget.selectedIndex;
        event.currentTarget.selectedIndex = chosen;
        if (place !== chosen) onChoose(place);
      }}
    >
      {names.map((name, place) => (
        <option key={place} selected={place === chosen}>
          {name}
        </option>
      ))}
    </select>
  );
}
